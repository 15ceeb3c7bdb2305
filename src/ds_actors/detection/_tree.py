"""The tree of actors behind a monitor: the child specs, and the parts of a track's actor.

monitor ─┬─ sinks    one actor per sink
         ├─ service  with a service inside the monitor: its models, its listener
         ├─ uplink   permanent, own backoff, never gives up
         ├─ tracks   dynamic, one actor per live track, own backoff each
         └─ watch    looks whether the tracks that should be checked are checked
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Final, cast

import trio
from attrs import define

from ds_actors import Actor, ChildSpec, ExponentialBackoff, Supervisor, SupervisorSpec
from ds_actors.detection._hub import Hub
from ds_actors.detection._watch import CoverageWatch
from ds_actors.detection.errors import UplinkError
from ds_actors.detection.sampling import SamplingPolicy
from ds_actors.detection.service import Dataspike
from ds_actors.detection.sinks._actor import SinkActor
from ds_actors.detection.sinks._record import SinkRecord
from ds_actors.detection.tracks.audio_actor import AudioTrackActor
from ds_actors.detection.tracks.encoding import Frame
from ds_actors.detection.tracks.fitting import EncodingAttempt, Fitting, LinkTooSlowError
from ds_actors.detection.tracks.messages import TrackMessage
from ds_actors.detection.tracks.registry import RegisteredTrack
from ds_actors.detection.tracks.sources import FrameSource, PcmSource
from ds_actors.detection.tracks.speech import AudioPace
from ds_actors.detection.tracks.video_actor import Encode, TrackActor
from ds_actors.detection.uplink.actor import Uplink
from ds_actors.detection.uplink.backoff import UplinkBackoff
from ds_actors.detection.uplink.connection import Connect
from ds_actors.detection.uplink.wire_names import WireNames

_BACKOFF: Final = ExponentialBackoff(base=0.5, cap=30.0)


@define(eq=False)
class TrackFactory:
    """Makes the child spec of a track."""

    hub: Hub
    sampling: Callable[[], SamplingPolicy]
    audio: AudioPace
    encode: Encode
    quality: int
    limit: Callable[[int | None], int | None]
    """Returns the longest side that a picture may have, from the one that its policy plans."""

    def specs(self) -> list[ChildSpec[Any]]:
        """Return the specs of all tracks that should have an actor."""
        return [self.spec(track) for track in self.hub.registry]

    def policy(self, kind: str) -> SamplingPolicy | AudioPace:
        """Return the policy or pace that decides when a new track of that kind is sampled."""
        return self.audio if kind == "audio" else self.sampling()

    def spec(self, track: RegisteredTrack) -> ChildSpec[TrackMessage]:
        """Return the spec of one track."""

        def video() -> TrackActor:
            # A restart gets a new policy, which starts from the surviving level and last sample.
            track.policy = policy = self.sampling()
            source = cast("FrameSource", track.source)
            return TrackActor(track.info, source, policy, self.hub, self._encode, self.quality, track.muted)

        def audio() -> AudioTrackActor:
            source = cast("PcmSource", track.source)
            return AudioTrackActor(track.info, source, self.audio, self.hub, track.muted, track.gate_open)

        make = cast("Callable[[], Actor[TrackMessage]]", audio if track.info.kind == "audio" else video)
        return ChildSpec(
            make, name=track.info.track, restart="transient", backoff=track.backoff, stable_after=60.0, grace=0.5
        )

    async def _encode(self, frame: Frame, quality: int, max_side: int | None) -> bytes:
        max_side = self.limit(max_side)
        captured_at = trio.current_time()
        try:
            return await self._encode_to_fit(frame, quality, max_side, captured_at)
        finally:
            self.hub.measured.encode_seconds.add(trio.current_time() - captured_at)

    async def _encode_to_fit(self, frame: Frame, quality: int, max_side: int | None, captured_at: float) -> bytes:
        data = await self.encode(frame, quality, max_side)
        longest = max(frame.width, frame.height)
        attempt = first = EncodingAttempt(quality, longest if max_side is None else min(longest, max_side))
        allowance = self.hub.allowance(captured_at)
        fitting = Fitting(first, allowance.wish, allowance.most)
        for number in count(1):
            try:
                smaller = fitting.next(attempt, len(data), number)
            except LinkTooSlowError:
                self.hub.link.refused(len(data), trio.current_time())
                raise
            if smaller is None:
                break
            attempt = smaller
            data = await self.encode(frame, attempt.quality, attempt.side)
        if attempt is not first:
            self.hub.link.shrunk(trio.current_time())
        return data


def build_tree(
    hub: Hub,
    tracks: TrackFactory,
    service: Dataspike,
    connect: Connect,
    random: Callable[[], float],
    *,
    names: WireNames | None,
    embedded: SupervisorSpec | None = None,
) -> Supervisor:
    """Return the supervisor of the whole monitor, not started yet."""

    def sink(name: str, record: SinkRecord) -> ChildSpec[Any]:
        return ChildSpec(
            SinkActor,
            record,
            random,
            name=name,
            mailbox=lambda: record.queue,
            grace=1.0,
            drain=True,
            backoff=_BACKOFF,
        )

    def sinks() -> list[ChildSpec[Any]]:
        return [sink(name, record) for name, record in hub.sinks.items()]

    uplink = ChildSpec(
        Uplink,
        service,
        hub,
        connect,
        names,
        name="uplink",
        backoff=UplinkBackoff(),
        stable_after=0.0,  # the heartbeat marks the connection healthy, and counts its seconds itself
        grace=1.0,
        mailbox=lambda: hub.outbox,
        expected=(UplinkError,),  # `Availability` decides which crashes are logged
    )
    return Supervisor(
        "monitor",
        children=[
            SupervisorSpec("sinks", children=sinks, backoff=_BACKOFF, grace=1.0),
            *([] if embedded is None else [embedded]),
            uplink,
            SupervisorSpec("tracks", "dynamic", tracks.specs, backoff=_BACKOFF, grace=0.5),
            ChildSpec(CoverageWatch, hub, name="watch", backoff=_BACKOFF, grace=0.5),
        ],
        close_within=5.0,
        random=random,
    )
