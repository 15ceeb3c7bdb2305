"""Reads the settings of a monitor from options, environment and one TOML file."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from attrs import evolve

from ds_actors._text import plain
from ds_actors.detection.settings.monitor_settings import MonitorSettings
from ds_actors.detection.settings.resolving import ResolvedSetting, SettingsFile, resolve_settings
from ds_actors.detection.settings.schema import CONFIG_VARIABLE, SettingsError
from ds_actors.detection.toml_text import TomlError, load_toml

_MOST_BYTES: Final = 1_000_000


def read_settings(
    options: Mapping[str, str] | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
    skipped: Collection[str] = (),
) -> MonitorSettings:
    """Return the settings: from `options`, else the environment, else the file, else the defaults.

    Args:
        options: values by key, such as `{"sinks.cooldown": "30"}`.
        file: a TOML file, else the one that DATASPIKE_CONFIG names; a relative path in it begins at its folder.
        environment: the variables; by default this process's own.
        skipped: keys, and tables such as "sinks", that the caller sets by itself: they have their defaults.

    Raises:
        SettingsError: when a name is unknown, a value cannot be used, or the file cannot be read.
    """
    found = _read(options or {}, file, os.environ if environment is None else environment, skipped)
    # Tracebacks may show locals: the frames that have the values are gone, and this one keeps none.
    del options, environment
    if isinstance(found, str):
        raise SettingsError(found)
    return found


def _read(
    options: Mapping[str, str],
    file: str | os.PathLike[str] | None,
    environment: Mapping[str, str],
    skipped: Collection[str],
) -> MonitorSettings | str:
    named = file if file is not None else environment.get(CONFIG_VARIABLE, "").strip() or None
    try:
        content = None if named is None else _load(Path(named).absolute())
        resolved = resolve_settings(options, environment, content, skipped)
        settings = MonitorSettings({key: _placed(setting) for key, setting in resolved.items()})
        settings.check()
    except SettingsError as error:
        return str(error)
    return settings


def _load(path: Path) -> SettingsFile:
    name = plain(str(path), 300)
    try:
        if not path.is_file():
            raise SettingsError(f"the settings file {name} does not exist, or is not a file")
        data = path.read_bytes()
        if len(data) > _MOST_BYTES:
            raise SettingsError(f"the settings file {name} has over {_MOST_BYTES:,} bytes")
        return SettingsFile(name, load_toml(data.decode("utf-8")))
    except TomlError as error:
        problem = f"cannot be used: {plain(str(error), 200)}"
    except UnicodeDecodeError:
        problem = "is not UTF-8"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    raise SettingsError(f"the settings file {name} {problem}")


def _placed(setting: ResolvedSetting) -> ResolvedSetting:
    """Return the setting with its path made absolute: one in the file begins at the file's folder."""
    if setting.spec.kind != "path" or setting.value is None:
        return setting
    base = Path(setting.where).parent if setting.origin == "file" else Path.cwd()
    return evolve(setting, value=str(base / str(setting.value)))
