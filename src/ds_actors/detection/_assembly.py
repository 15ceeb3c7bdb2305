"""Makes a monitor's parts from its options, which are checked on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from ds_actors import Supervisor
from ds_actors.detection._hub import Hub
from ds_actors.detection._options import Assessment, Notify, check_budget, evidence_of, sink_records
from ds_actors.detection._refs import TreeRefs
from ds_actors.detection._tree import TrackFactory, build_tree
from ds_actors.detection.budget import Budget
from ds_actors.detection.embedded import EmbeddedService
from ds_actors.detection.privacy import Privacy
from ds_actors.detection.reporting.progress import ProgressLog
from ds_actors.detection.reporting.progress_text import settings_text
from ds_actors.detection.sampling import SamplingPolicy, check_quality, make_policy
from ds_actors.detection.service import Dataspike
from ds_actors.detection.sinks import Sink
from ds_actors.detection.status import Status
from ds_actors.detection.tracks.encoding import Encode
from ds_actors.detection.tracks.link_encoder import LinkEncoder
from ds_actors.detection.tracks.speech import AudioPace
from ds_actors.detection.uplink.connection import Connect
from ds_actors.detection.uplink.ledger import Ledger
from ds_actors.detection.uplink.link_pace import LinkPace
from ds_actors.detection.uplink.outbox import Outbox


@frozen
class MonitorParts:
    """What a monitor consists of, not started yet."""

    hub: Hub
    tracks: TrackFactory
    supervisor: Supervisor


def assemble(
    *,
    service: Dataspike | EmbeddedService | None,
    sampling: Callable[[], SamplingPolicy],
    budget: Budget | None,
    sinks: Sequence[Sink],
    notify: Notify,
    assessment: Assessment,
    min_confirmations: int,
    quality: int,
    privacy: Privacy,
    audio: AudioPace,
    ledger: bool,
    state_cb: Callable[[Status], object] | None,
    connect: Connect,
    encode: Encode,
    random: Callable[[], float],
) -> MonitorParts:
    """Return the parts; `Monitor` documents the options and their errors."""
    evidence = evidence_of(assessment, min_confirmations)
    embedded = None
    if isinstance(service, EmbeddedService):
        parts = service.parts()
        service, connect, embedded = parts.endpoint, parts.connect, parts.tree
    service = Dataspike() if service is None else service
    policy = make_policy(sampling)  # an error in it is raised here, not when the first track is added
    check_budget(budget)
    quality = check_quality(quality)
    records = sink_records(sinks, notify, random)
    settings = settings_text(
        service=service.log_url,
        policy=type(policy).__name__,
        promise=policy.promise,
        quality=quality,
        budget=budget,
        notify=notify,
        sinks=records,
    )
    names = privacy.wire_names()
    progress, kept = ProgressLog(settings), Ledger(names) if ledger else None
    link = LinkPace()
    outbox = Outbox(budget=budget, link=link, alerts_first=evidence is None)
    hub = Hub(outbox, link, records, kept, state_cb, progress)
    hub.assessments.evidence, hub.assessments.min_confirmations = evidence, min_confirmations
    fitting = LinkEncoder(encode, privacy.limit, hub.allowance, link, hub.measured.encode_seconds.add)
    tracks = TrackFactory(hub, sampling, audio, fitting, quality)
    supervisor = build_tree(hub, tracks, service, connect, random, names=names, embedded=embedded)
    hub.refs = TreeRefs(supervisor)
    supervisor.listen(hub.measured.happened)
    return MonitorParts(hub, tracks, supervisor)
