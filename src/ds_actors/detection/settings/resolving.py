"""Which value a setting has, and where it comes from: option, then variable, then file, then default. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from attrs import field, frozen

from ds_actors._text import plain
from ds_actors.detection.settings.schema import (
    BY_KEY,
    NEEDED,
    SETTINGS,
    SettingsError,
    SettingSpec,
    SettingValue,
    check_variables,
    from_text,
    from_value,
    unknown_key,
)

Origin = Literal["option", "variable", "file", "default"]
_MASK = "***"


def bare_address(address: str) -> tuple[str, str]:
    """Return a URL's scheme, host and port, and its path, without user name, password and query.

    Raises:
        ValueError: when it cannot be taken apart.
    """
    parts = urlsplit(address if "://" in address else f"http://{address}")  # as a proxy's may be
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}", parts.path


@frozen
class ResolvedSetting:
    """A setting's value, and where it comes from."""

    spec: SettingSpec
    value: SettingValue | None = field(repr=False)
    origin: Origin
    where: str
    """The option, the variable or the file; empty for a default."""

    @property
    def shown(self) -> SettingValue | None:
        """The value as it may be shown: no key, no password, no query."""
        if self.value is None or self.spec.shown == "plain":
            return self.value
        if self.spec.shown == "masked":
            return _MASK
        try:
            origin, path = bare_address(str(self.value))
        except ValueError:
            return _MASK
        return plain(f"{origin}{path if self.spec.shown == 'address' else f'/{_MASK}'}", 200)

    @property
    def described(self) -> str:
        """Its key, and where its value comes from: how an error begins."""
        return f"{self.spec.key} (from {self.where})" if self.where else self.spec.key


@frozen
class SettingsFile:
    """The content of the file."""

    name: str
    table: Mapping[str, Any] = field(repr=False)


def resolve_settings(
    options: Mapping[str, str],
    environment: Mapping[str, str],
    file: SettingsFile | None,
    skipped: Collection[str] = (),
) -> dict[str, ResolvedSetting]:
    """Return every setting by its key. Only the value that applies is checked, but every name is.

    Args:
        options: by key, as on a command line.
        environment: the variables; an empty one counts as absent.
        file: None where there is none.
        skipped: keys, and tables, that the caller sets by itself: they have their defaults.

    Raises:
        SettingsError: when a name is unknown, or a value cannot be used.
    """
    for key in options:
        _check_option(key)
    check_variables(environment)
    found = {} if file is None else dict(_flattened(file.table, file.name))
    settings = {
        spec.key: _default(spec) if _is_skipped(spec, skipped) else _resolved(spec, options, environment, file, found)
        for spec in SETTINGS
    }
    _check_needed(settings)
    normal, burst = settings["sampling.normal_fps"], settings["sampling.burst_fps"]
    if not {"sampling.normal_fps", "sampling.burst_fps"} & {*skipped} and cast("float", burst.value) < cast(
        "float", normal.value
    ):
        raise SettingsError(
            f"{burst.described} must not be below {normal.described}, and {burst.value:g} is below {normal.value:g}"
        )
    return settings


def _check_needed(settings: Mapping[str, ResolvedSetting]) -> None:
    for setting in settings.values():
        key = setting.spec.key
        needed = NEEDED.get(key) or NEEDED.get(key.rpartition(".")[0])
        if needed is not None and setting.origin != "default" and not any(settings[name].value for name in needed):
            raise SettingsError(f"{setting.described} has no effect without {' or '.join(needed)}")


def _check_option(key: str) -> None:
    spec = BY_KEY.get(key)
    if spec is None:
        raise unknown_key(key)
    if spec.secret:
        raise SettingsError(
            f"{key} is a secret, and a command line can be read by every user of the machine: "
            f"use the variable {spec.variable} or the file"
        )


def _resolved(
    spec: SettingSpec,
    options: Mapping[str, str],
    environment: Mapping[str, str],
    file: SettingsFile | None,
    found: Mapping[str, object],
) -> ResolvedSetting:
    origin: Origin
    parse: Callable[[SettingSpec, Any], SettingValue] = from_text
    given: Any
    if spec.key in options:
        origin, where, given = "option", "the command line", options[spec.key]
    elif environment.get(spec.variable, "").strip():
        origin, where, given = "variable", spec.variable, environment[spec.variable].strip()
    elif file is not None and spec.key in found:
        origin, where, given, parse = "file", file.name, found[spec.key], from_value
    else:
        return _default(spec)
    try:
        value = parse(spec, given)
    except SettingsError as error:
        raise SettingsError(f"{error} (from {where})") from None
    if origin == "option" and spec.shown == "address" and "@" in str(value):
        raise SettingsError(
            f"{spec.key} has a user name or a password, and a command line can be read by every user of the machine: "
            f"use the variable {spec.variable} or the file"
        )
    return ResolvedSetting(spec, value, origin, where)


def _default(spec: SettingSpec) -> ResolvedSetting:
    return ResolvedSetting(spec, spec.default, "default", "")


def _is_skipped(spec: SettingSpec, skipped: Collection[str]) -> bool:
    return any(spec.key == name or spec.key.startswith(f"{name}.") for name in skipped)


def _flattened(table: Mapping[str, Any], file: str, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and any(known.startswith(f"{key}.") for known in BY_KEY):
            yield from _flattened(cast("dict[str, Any]", value), file, f"{key}.")
        elif key in BY_KEY:
            yield key, value
        elif any(known.startswith(f"{key}.") for known in BY_KEY):
            raise SettingsError(f"{key} is a table: write [{key}] above its settings (in {file})")
        else:
            raise SettingsError(f"{unknown_key(plain(_first_leaf(key, cast('object', value)), 200))} (in {file})")


def _first_leaf(key: str, value: object) -> str:
    while isinstance(value, dict) and value:
        name, value = next(iter(cast("dict[str, object]", value).items()))
        key = f"{key}.{name}"
    return key
