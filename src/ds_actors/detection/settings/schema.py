"""The settings that commands and the LiveKit plugin read: names, kinds, defaults, and what each accepts. Pure."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Final, Literal, cast

from attrs import frozen

from ds_actors.detection.sampling import check_fps

PREFIX: Final = "DATASPIKE_"
CONFIG_VARIABLE: Final = f"{PREFIX}CONFIG"
"""The variable that names the file."""
PROXY_VARIABLE: Final = f"{PREFIX}PROXY"

SettingValue = str | float | bool
Kind = Literal["text", "number", "whole", "switch", "path", "word", "words"]
"""A word is one of the spec's choices, words are one or several of them."""
_WORDS: Final[Mapping[Kind, str]] = {
    "text": "a text",
    "number": "a number",
    "whole": "a whole number",
    "switch": "true or false",
    "path": "a path",
}
_SWITCHES: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


class SettingsError(ValueError):
    """A setting cannot be used; the message names it and where it comes from, and holds no secret."""


@frozen
class SettingSpec:
    """One setting."""

    key: str
    """Its place in the file, with a dot for each table: `sinks.slack.url` is `url` in `[sinks.slack]`."""
    kind: Kind
    variable: str
    default: SettingValue | None
    shown: Literal["plain", "masked", "address", "host"] = "plain"
    """How it may be shown: masked, or for a URL without user name and query, or by its host alone."""
    check: Callable[[str, float], object] | None = None
    """(key, number): raises ValueError when it cannot be used."""
    choices: tuple[str, ...] = ()
    """The words that it may be, or hold."""

    @property
    def secret(self) -> bool:
        """Whether it may not be on a command line, which every user of the machine can read."""
        return self.shown in ("masked", "host")


def _check_range(low: float, high: float, key: str, value: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{key} must be from {low:,g} to {high:,g}, not {value!r}")


def _check_above(low: float, key: str, value: float) -> None:
    if not value > low:
        raise ValueError(f"{key} must be above {low:g}, not {value!r}")


def _check_min_side(key: str, value: float) -> None:
    if value and not 64 <= value <= 8_192:
        raise ValueError(f"{key} must be from 64 to 8,192, or 0 to choose no layer, not {value!r}")


_above_0: Final = partial(_check_above, 0)

SETTINGS: Final[tuple[SettingSpec, ...]] = (
    SettingSpec("service.api_key", "text", f"{PREFIX}API_KEY", None, "masked"),
    SettingSpec("service.url", "text", f"{PREFIX}WS_URL", None, "address"),
    SettingSpec("service.proxy", "text", PROXY_VARIABLE, None, "address"),
    SettingSpec("sampling.normal_fps", "number", f"{PREFIX}NORMAL_FPS", 0.2, check=check_fps),
    SettingSpec("sampling.burst_fps", "number", f"{PREFIX}BURST_FPS", 1.0, check=check_fps),
    SettingSpec("sampling.quality", "whole", f"{PREFIX}QUALITY", 75, check=partial(_check_range, 0, 100)),
    SettingSpec("budget.samples_per_minute", "number", f"{PREFIX}BUDGET_SAMPLES_PER_MINUTE", None, check=_above_0),
    SettingSpec("budget.bytes_per_second", "number", f"{PREFIX}BUDGET_BYTES_PER_SECOND", None, check=_above_0),
    SettingSpec("budget.burst_seconds", "number", f"{PREFIX}BUDGET_BURST_SECONDS", 60.0, check=_above_0),
    SettingSpec("budget.sample_bytes", "whole", f"{PREFIX}BUDGET_SAMPLE_BYTES", 100_000, check=_above_0),
    SettingSpec("privacy.pseudonyms", "switch", f"{PREFIX}PSEUDONYMS", default=False),
    SettingSpec("privacy.key", "text", f"{PREFIX}PSEUDONYMS_KEY", None, "masked"),
    SettingSpec("privacy.max_side", "whole", f"{PREFIX}MAX_SIDE", None, check=partial(_check_range, 64, 1 << 20)),
    SettingSpec("tracks.sources", "words", f"{PREFIX}SOURCES", None, choices=("camera", "screen_share", "unknown")),
    SettingSpec("tracks.forwarding", "word", f"{PREFIX}FORWARDING", "auto", choices=("always", "on_demand", "auto")),
    SettingSpec("tracks.min_side", "whole", f"{PREFIX}MIN_SIDE", 540, check=_check_min_side),
    SettingSpec("results.notify", "word", f"{PREFIX}NOTIFY", "all", choices=("all", "changes")),
    SettingSpec("results.publish_coverage", "switch", f"{PREFIX}PUBLISH_COVERAGE", default=False),
    SettingSpec("ledger.enabled", "switch", f"{PREFIX}LEDGER", default=False),
    SettingSpec("sinks.cooldown", "number", f"{PREFIX}COOLDOWN", 60.0, check=partial(_check_range, 0, 600)),
    SettingSpec("sinks.log.enabled", "switch", f"{PREFIX}LOG_ALERTS", default=False),
    SettingSpec("sinks.json_lines.file", "path", f"{PREFIX}JSON_LINES_FILE", None),
    SettingSpec(
        "sinks.json_lines.max_bytes",
        "whole",
        f"{PREFIX}JSON_LINES_MAX_BYTES",
        10_000_000,
        check=partial(_check_range, 20_000, 1 << 40),
    ),
    SettingSpec(
        "sinks.json_lines.files", "whole", f"{PREFIX}JSON_LINES_FILES", 5, check=partial(_check_range, 1, 1_000)
    ),
    SettingSpec("sinks.slack.url", "text", f"{PREFIX}SLACK_URL", None, "host"),
    SettingSpec("sinks.webhook.url", "text", f"{PREFIX}WEBHOOK_URL", None, "host"),
    SettingSpec("sinks.webhook.secret", "text", f"{PREFIX}WEBHOOK_SECRET", None, "masked"),
    SettingSpec("sinks.webhook.signing_secret", "text", f"{PREFIX}WEBHOOK_SIGNING_SECRET", None, "masked"),
)
NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "budget": ("budget.samples_per_minute", "budget.bytes_per_second"),
    "privacy.key": ("privacy.pseudonyms",),
    "sinks.json_lines": ("sinks.json_lines.file",),
    "sinks.webhook": ("sinks.webhook.url",),
}
"""By table or key, the settings of which one must be set, or else it has no effect."""
BY_KEY: Final = {spec.key: spec for spec in SETTINGS}
BY_VARIABLE: Final = {spec.variable: spec for spec in SETTINGS}


def from_text(spec: SettingSpec, text: str) -> SettingValue:
    """Return the value that a text has, as an option or a variable gives it.

    Raises:
        SettingsError: when it is none; the message has the value only where that is no secret.
    """
    value: SettingValue | None = text
    if spec.kind == "switch":
        value = _SWITCHES.get(text.strip().lower())
    elif spec.kind in ("number", "whole"):
        value = _number(text, whole=spec.kind == "whole")
    elif spec.kind == "words":
        return _words(spec, text, [word.strip() for word in text.split(",")])
    if value is None:
        raise _wrong(spec, text)
    return from_value(spec, value)


def from_value(spec: SettingSpec, value: object) -> SettingValue:
    """Return a value of the file, if it has the right type.

    Raises:
        SettingsError: when it cannot be used; the message has the value only where that is no secret.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if spec.kind == "number" and number and _is_finite(value):  # type: ignore[arg-type]
        return _checked(spec, float(value))  # type: ignore[arg-type]
    if spec.kind == "whole" and number and isinstance(value, int):
        return _checked(spec, value)
    if spec.kind == "switch" and isinstance(value, bool):
        return value
    if spec.kind == "word" and value in spec.choices:
        return str(value)
    if spec.kind == "words" and isinstance(value, list):
        words = cast("list[object]", value)
        return _words(spec, words, words)
    if spec.kind in ("text", "path") and isinstance(value, str) and value.strip():
        return value.strip()
    raise _wrong(spec, value)


def unknown_key(key: str) -> SettingsError:
    """Return the error about a key that is no setting, with the nearest one that is."""
    found = difflib.get_close_matches(key, BY_KEY, cutoff=0.5)
    near = f"did you mean {found[0]}?" if found else f"the settings are {', '.join(BY_KEY)}"
    return SettingsError(f"{key} is not a setting; {near}")


def check_variables(names: Collection[str]) -> None:
    """Refuse a variable that is a setting's but for a slip; others that begin with DATASPIKE_ are another program's.

    So are those that a program may have beside a setting's, such as DATASPIKE_API_KEY_2 and DATASPIKE_API_KEYS.

    Raises:
        SettingsError: naming both.
    """
    known = [name.removeprefix(PREFIX) for name in (*BY_VARIABLE, CONFIG_VARIABLE)]
    for name in names:
        rest = name.removeprefix(PREFIX)
        beside = rest.removesuffix("S") in known or rest.startswith(tuple(f"{setting}_" for setting in known))
        if name.startswith(PREFIX) and rest not in known and not beside:
            found = difflib.get_close_matches(rest, known, cutoff=0.8)
            if found:
                raise SettingsError(f"the variable {name} is not a setting; did you mean {PREFIX}{found[0]}?")


def _number(text: str, *, whole: bool) -> float | None:
    with suppress(ValueError):
        value = int(text) if whole else float(text)
        if _is_finite(value):
            return value
    return None


def _is_finite(value: float) -> bool:
    """Return whether a float can hold it: infinity is out of its range, and so is a whole number of 400 digits."""
    return -sys.float_info.max <= value <= sys.float_info.max


def _checked(spec: SettingSpec, value: float) -> float:
    if spec.check is not None:
        try:
            spec.check(spec.key, value)
        except ValueError as error:
            raise SettingsError(str(error)) from None
    return value


def _words(spec: SettingSpec, given: object, words: list[object]) -> str:
    """Return words as one text, each once, in the order of the choices."""
    if not words or any(word not in spec.choices for word in words):
        raise _wrong(spec, given)
    return ",".join(choice for choice in spec.choices if choice in words)


def _wrong(spec: SettingSpec, value: object) -> SettingsError:
    given = f", not {value!r}" if spec.shown == "plain" else ""
    return SettingsError(f"{spec.key} must be {_expected(spec)}{given}")


def _expected(spec: SettingSpec) -> str:
    if spec.kind in ("word", "words"):
        amount = "one" if spec.kind == "word" else "one or several"
        return f"{amount} of {', '.join(spec.choices)}"
    return _WORDS[spec.kind]
