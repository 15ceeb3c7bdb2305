"""The options by which a command takes the settings of a monitor, and how it ends when these cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from ds_actors.detection.events import plain
from ds_actors.detection.settings import CONFIG_VARIABLE, MonitorSettings, SettingsError, read_settings

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", help=f"TOML file with settings. Without it: the one that {CONFIG_VARIABLE} names.", metavar="FILE"
    ),
]
SetOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="One setting, as in sinks.cooldown=30; repeat the option for several.", metavar="KEY=VALUE"
    ),
]
SETTINGS_NOTE: Final = "ds-actors config shows all settings, and where the value of each comes from."


def configured(file: Path | None, assignments: Sequence[str] | None, *, url: str | None = None) -> MonitorSettings:
    """Return the settings; a command's own `--url` is `service.url`. Its sinks can be made.

    Raises:
        SettingsError: when a setting cannot be used.
    """
    options: dict[str, str] = {}
    for assignment in assignments or ():
        key, sign, value = assignment.partition("=")
        if not sign:
            raise SettingsError(f"--set {plain(assignment, 100)!r} has no =: write KEY=VALUE")
        options[key.strip()] = value
    if url is not None:
        options["service.url"] = url
    settings = read_settings(options, file=file)
    settings.make_sinks()
    return settings
