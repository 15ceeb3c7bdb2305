"""Settings from options, environment and one TOML file, which mean the same in every command and in the plugin."""

from ds_actors.detection.settings.monitor_settings import MonitorSettings
from ds_actors.detection.settings.reading import read_settings
from ds_actors.detection.settings.resolving import ResolvedSetting
from ds_actors.detection.settings.schema import CONFIG_VARIABLE, SETTINGS, SettingsError, SettingSpec

__all__ = [
    "CONFIG_VARIABLE",
    "SETTINGS",
    "MonitorSettings",
    "ResolvedSetting",
    "SettingSpec",
    "SettingsError",
    "read_settings",
]
