"""The settings of a monitor, as what its parts take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, TypeVar, cast

from attrs import field, frozen

from ds_actors.detection.budget import Budget
from ds_actors.detection.privacy import Privacy
from ds_actors.detection.proxies import parse_proxy
from ds_actors.detection.sampling import AdaptiveSampling, SamplingPolicy
from ds_actors.detection.service import ApiKey, Dataspike
from ds_actors.detection.settings.resolving import ResolvedSetting
from ds_actors.detection.settings.schema import CONFIG_VARIABLE, SettingsError, SettingValue
from ds_actors.detection.sinks import LogSink, RotatingJsonLinesSink, Sink, SlackSink, Throttled, WebhookSink

T = TypeVar("T")


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
            budget=settings.budget,
            privacy=settings.privacy,
            notify=settings.notify,
            ledger=settings.ledger,
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

    @property
    def proxy(self) -> str | None:
        """The URL of the proxy to the service; None for the environment's."""
        return cast("str | None", self._value("service.proxy"))

    @property
    def budget(self) -> Budget | None:
        """What the room may spend; None without a limit.

        Raises:
            SettingsError: when it can never hold one sample; `read_settings` has checked that.
        """
        samples, size = (self.resolved[f"budget.{name}"] for name in ("samples_per_minute", "bytes_per_second"))
        if samples.value is None and size.value is None:
            return None
        key = (size if samples.value is None else samples).spec.key
        return self._made(
            key,
            lambda: Budget(
                cast("float | None", samples.value),
                cast("float | None", size.value),
                cast("float", self._value("budget.burst_seconds")),
                cast("int", self._value("budget.sample_bytes")),
            ),
        )

    @property
    def privacy(self) -> Privacy:
        """What is kept from the service.

        Raises:
            SettingsError: when its key is too short; `read_settings` has checked that.
        """
        return self._made(
            "privacy.key",
            lambda: Privacy(
                pseudonyms=cast("bool", self._value("privacy.pseudonyms")),
                key=cast("str | None", self._value("privacy.key")),
                max_side=self.max_side,
            ),
        )

    @property
    def max_side(self) -> int | None:
        """The most pixels of a picture's longer side when it leaves; None without a limit."""
        return cast("int | None", self._value("privacy.max_side"))

    @property
    def sources(self) -> tuple[str, ...] | None:
        """Which video of a room is watched; None for all."""
        value = cast("str | None", self._value("tracks.sources"))
        return None if value is None else tuple(value.split(","))

    @property
    def forwarding(self) -> Literal["always", "on_demand", "auto"]:
        """Whether a room's server forwards a watched track always, or around its samples."""
        return cast("Literal['always', 'on_demand', 'auto']", self._value("tracks.forwarding"))

    @property
    def min_side(self) -> int | None:
        """The shorter side of the layer in which a track is received at normal rate; None to choose none."""
        return cast("int", self._value("tracks.min_side")) or None

    @property
    def notify(self) -> Literal["all", "changes"]:
        """Whether sinks receive all results, or changes of level."""
        return cast("Literal['all', 'changes']", self._value("results.notify"))

    @property
    def publish_coverage(self) -> bool:
        """Whether a room is told how well each track is covered."""
        return cast("bool", self._value("results.publish_coverage"))

    @property
    def ledger(self) -> bool:
        """Whether a record of what was sent is kept in memory."""
        return cast("bool", self._value("ledger.enabled"))

    def service(self) -> Dataspike:
        """Return how to reach the service.

        Raises:
            ValueError: when there is no key, or the key or the URL cannot be used.
        """
        return Dataspike(self.api_key, self.url, proxy=self.proxy)

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

    def check(self) -> None:
        """Check what only several settings together can get wrong.

        Raises:
            SettingsError: when the budget or the privacy cannot be made, or the proxy is not a URL of one.
        """
        _ = self.budget, self.privacy
        proxy = self.proxy
        if proxy is not None:
            self._made("service.proxy", lambda: parse_proxy(proxy))

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

    def _made(self, key: str, make: Callable[[], T]) -> T:
        try:
            return make()
        except (ValueError, ModuleNotFoundError) as error:
            problem = str(error)
        raise SettingsError(f"{self.resolved[key].described}: {problem}")
