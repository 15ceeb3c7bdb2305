"""`ds-actors config`: which settings apply, and where each comes from."""

from __future__ import annotations

import json
from typing import Annotated, Final

import typer

from ds_actors.cli._configuration import ConfigFile, SetOptions, configured
from ds_actors.cli._dotenv import livekit_environment
from ds_actors.cli._epilog import epilog
from ds_actors.detection.events import plain
from ds_actors.detection.settings import MonitorSettings, ResolvedSetting, SettingsError

CONFIG_EPILOG: Final = epilog(
    "An option overrides a variable, a variable the file, and the file the default.",
    codes={
        0: "all settings can be used",
        2: "a setting cannot be used; the line on stderr says which, and why",
    },
)
_ALWAYS: Final = "results go to the plugin's room or callback, and to the terminal of a watch"


def config(
    *,
    file: ConfigFile = None,
    assignments: SetOptions = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per setting and line.")] = False,
) -> None:
    """Show the settings of a monitor here, and where the value of each comes from.

    They mean the same in watch, room and doctor, and in the LiveKit plugin.
    Secrets are not shown. Nothing is connected to. Like watch and doctor, it
    reads variables that are not set from a file .env in the working directory.
    """
    try:
        livekit_environment()
        settings = configured(file, assignments)
        sinks = [sink.name for sink in settings.make_sinks()]
    except SettingsError as error:
        typer.echo(f"ds-actors config: {plain(str(error), 2_000)}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        for setting in settings.resolved.values():
            typer.echo(json.dumps(_fields(setting)))
        typer.echo(json.dumps({"sinks": sinks}))
        return
    for line in _lines(settings):
        typer.echo(line)
    typer.echo(f"{_ALWAYS}; sinks beside these: {', '.join(sinks) or 'none'}")


def _fields(setting: ResolvedSetting) -> dict[str, object]:
    return {
        "setting": setting.spec.key,
        "variable": setting.spec.variable,
        "value": setting.shown,
        "origin": setting.origin,
        "where": plain(setting.where, 300),
    }


def _lines(settings: MonitorSettings) -> list[str]:
    """Return one line a setting: its value, and where that comes from; behind a default, the variable that sets it."""
    rows = [
        (setting.spec.key, _shown(setting.shown), plain(setting.where, 300) or f"default ({setting.spec.variable})")
        for setting in settings.resolved.values()
    ]
    key, value = (max(len(row[column]) for row in rows) for column in (0, 1))
    return [f"{row[0]:{key}}  {row[1]:{value}}  {row[2]}" for row in rows]


def _shown(value: str | float | bool | None) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            return str(value)
