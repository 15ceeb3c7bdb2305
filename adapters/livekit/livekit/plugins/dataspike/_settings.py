"""What a detector was made with: checked, and complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from attrs import frozen
from livekit.plugins.dataspike._callback_sink import Callback
from livekit.plugins.dataspike._forwarding import Forwarding
from livekit.plugins.dataspike._options import Figures
from livekit.plugins.dataspike._rules import TrackRules
from livekit.plugins.dataspike._sink_options import SinkOption

from ds_actors.detection import Budget, Dataspike, EmbeddedService, Evidence, Monitor, Privacy, Sink, Status
from ds_actors.detection.settings import MonitorSettings

Notify = Literal["all", "changes"]
Assessment = Literal["last", "evidence"] | Evidence


@frozen
class Settings:
    """The parameters of one detector."""

    service: Dataspike | EmbeddedService
    figures: Figures
    rules: TrackRules
    sinks: tuple[SinkOption, ...]
    configured: MonitorSettings | None
    """Makes further sinks; None where the parameter `sinks` says where results go."""
    callback: Callback | None
    destinations: tuple[str, ...]
    mirror_levels: bool
    publish_coverage: bool
    budget: Budget | None
    privacy: Privacy
    ledger: bool
    notify: Notify
    assessment: Assessment
    min_confirmations: int
    auto_subscribe: bool
    forwarding: Forwarding
    min_side: int | None
    state_cb: Callable[[Status], object] | None

    def make_monitor(
        self,
        sinks: Sequence[Sink] = (),
        state_cb: Callable[[Status], object] | None = None,
        log_fields: Mapping[str, str] | None = None,
    ) -> Monitor:
        """Return a monitor with these parameters, which does not run yet."""
        return Monitor(
            service=self.service,
            sampling=self.figures.sampling,
            budget=self.budget,
            privacy=self.privacy,
            ledger=self.ledger,
            quality=self.figures.quality,
            audio=self.figures.audio,
            sinks=sinks,
            notify=self.notify,
            assessment=self.assessment,
            min_confirmations=self.min_confirmations,
            state_cb=state_cb,
            log_fields=log_fields,
        )
