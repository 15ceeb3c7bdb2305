"""Whether the settings can be used: the file, the variables, and the sinks that they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ds_actors.cli._configuration import configured
from ds_actors.cli._doctor.result import CheckResult, failed, passed
from ds_actors.detection.settings import SettingsError

_NAME: Final = "settings"


def check_settings(file: Path | None, assignments: Sequence[str] | None) -> tuple[CheckResult, Mapping[str, str]]:
    """Read the settings; return the result, and the variables that say the same, none where they cannot be used."""
    try:
        settings = configured(file, assignments)
        sinks = ", ".join(sink.name for sink in settings.make_sinks())
    except SettingsError as error:
        return failed(_NAME, str(error), "correct it; ds-actors config shows all settings"), {}
    given = [setting for setting in settings.resolved.values() if setting.where]
    details = {setting.spec.key: f"{setting.shown} ({setting.where})" for setting in given}
    return passed(_NAME, f"{len(given)} given; sinks: {sinks or 'none'}", **details), settings.variables()
