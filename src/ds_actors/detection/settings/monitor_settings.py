"""The settings of a monitor, read from options, environment and one TOML file."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Final, cast

from attrs import evolve, field, frozen

from ds_actors._text import plain
from ds_actors.detection.sampling import AdaptiveSampling, SamplingPolicy
from ds_actors.detection.service import ApiKey, Dataspike
from ds_actors.detection.settings.resolving import ResolvedSetting, SettingsFile, resolve_settings
from ds_actors.detection.settings.schema import CONFIG_VARIABLE, SettingsError, SettingValue
from ds_actors.detection.sinks import LogSink, RotatingJsonLinesSink, Sink, SlackSink, Throttled, WebhookSink
from ds_actors.detection.toml_text import TomlError, load_toml

_MOST_BYTES: Final = 1_000_000


@frozen
class MonitorSettings:
    """What a monitor is to do, and where each value comes from; `read_settings` makes it.

    Example:
        ```python
        settings = read_settings()
        monitor = Monitor(
            service=settings.service(),
            sampling=settings.sampling,
            quality=settings.quality,
            sinks=settings.make_sinks(),
        )
        ```
    """

    resolved: Mapping[str, ResolvedSetting] = field(repr=False)
    """Every setting by its key."""

    @property
    def url(self) -> str | None:
        """The service's URL; None for the public service."""
        return cast("str | None", self._value("service.url"))

    @property
    def api_key(self) -> ApiKey | None:
        """The service's key, wrapped so that it is not shown."""
        setting = self.resolved["service.api_key"]
        return None if setting.value is None else ApiKey(str(setting.value), setting.described)

    @property
    def normal_fps(self) -> float:
        """Samples per second of a track that is clear."""
        return cast("float", self._value("sampling.normal_fps"))

    @property
    def burst_fps(self) -> float:
        """Samples per second of a track that is suspicious or alert."""
        return cast("float", self._value("sampling.burst_fps"))

    @property
    def quality(self) -> int:
        """JPEG quality."""
        return cast("int", self._value("sampling.quality"))

    @property
    def sampling(self) -> Callable[[], SamplingPolicy]:
        """What makes each track's policy."""
        return partial(AdaptiveSampling, self.normal_fps, self.burst_fps)

    def service(self) -> Dataspike:
        """Return how to reach the service.

        Raises:
            ValueError: when there is no key, or the key or the URL cannot be used.
        """
        return Dataspike(self.api_key, self.url)

    def make_sinks(self, room: str | Callable[[], str] = "") -> list[Sink]:
        """Return new sinks: log, slack and webhook throttled by the cooldown, and json-lines with every event.

        Args:
            room: the room's name, for Slack and JSON lines; or a function that returns it.

        Raises:
            SettingsError: when one cannot be made.
        """
        sinks: list[Sink] = []
        cooldown = cast("float", self._value("sinks.cooldown"))
        if self._value("sinks.log.enabled"):
            sinks.append(Throttled(LogSink(), cooldown))
        if self._value("sinks.json_lines.file") is not None:
            sinks.append(self._made("sinks.json_lines.file", partial(self._json_lines, room)))
        if self._value("sinks.slack.url") is not None:
            sinks.append(Throttled(self._made("sinks.slack.url", partial(self._slack, room)), cooldown))
        if self._value("sinks.webhook.url") is not None:
            sinks.append(Throttled(self._made("sinks.webhook.url", self._webhook), cooldown))
        return sinks

    def variables(self) -> dict[str, str]:
        """Return the environment that gives another process these settings: those that are not defaults."""
        found = {
            setting.spec.variable: str(setting.value)
            for setting in self.resolved.values()
            if setting.origin != "default"
        }
        return {CONFIG_VARIABLE: "", **found}

    def _value(self, key: str) -> SettingValue | None:
        return self.resolved[key].value

    def _json_lines(self, room: str | Callable[[], str]) -> Sink:
        return RotatingJsonLinesSink(
            str(self._value("sinks.json_lines.file")),
            max_bytes=cast("int", self._value("sinks.json_lines.max_bytes")),
            files=cast("int", self._value("sinks.json_lines.files")),
            room=room,
        )

    def _slack(self, room: str | Callable[[], str]) -> Sink:
        return SlackSink(str(self._value("sinks.slack.url")), room=room)

    def _webhook(self) -> Sink:
        return WebhookSink(
            str(self._value("sinks.webhook.url")),
            secret=cast("str | None", self._value("sinks.webhook.secret")),
            signing_secret=cast("str | None", self._value("sinks.webhook.signing_secret")),
        )

    def _made(self, key: str, make: Callable[[], Sink]) -> Sink:
        try:
            return make()
        except (ValueError, ModuleNotFoundError) as error:
            problem = str(error)
        raise SettingsError(f"{self.resolved[key].described}: {problem}")


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
        return MonitorSettings(
            {k: _placed(v) for k, v in resolve_settings(options, environment, content, skipped).items()}
        )
    except SettingsError as error:
        return str(error)


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
