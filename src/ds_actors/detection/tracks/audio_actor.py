"""The actor of one microphone: it records, requests a turn and delivers. `speech` decides what to send.

It records a chunk before it requests the turn, since recording takes three seconds; a chunk that waits longer than
the age limit is dropped as stale.
"""

from __future__ import annotations

import math
import time

import trio
from attrs import define, field

from ds_actors import Actor, Exit
from ds_actors.detection.events import Sample, TrackInfo
from ds_actors.detection.sampling import Plan, SampleSent, Speaking
from ds_actors.detection.tracks.host import TrackHost
from ds_actors.detection.tracks.listening import listen
from ds_actors.detection.tracks.messages import AudioMessage, GateChanged, ListeningEnded, VerdictArrived
from ds_actors.detection.tracks.sampler import MutedChanged
from ds_actors.detection.tracks.sources import PcmSource
from ds_actors.detection.tracks.speech import SHORTEST_INTERVAL, AudioPace, NoSpeech
from ds_actors.detection.turns import Deliver, Granted, OutboxMessage, Relevel, RequestTurn, Withdraw


@define(eq=False)
class AudioTrackActor(Actor[AudioMessage]):
    """Records one microphone."""

    info: TrackInfo
    source: PcmSource
    pace: AudioPace
    host: TrackHost
    muted: bool = False
    gate_open: bool = True
    _due: float = math.inf
    """When to record next; never while a recording is under way."""
    _look: int = 0
    _opened: float = -math.inf
    _last: ListeningEnded | None = None
    _listening: trio.CancelScope | None = None
    _request: RequestTurn | None = None
    _sample: Sample | None = field(default=None, repr=False)

    async def started(self) -> None:
        """Withdraw an earlier incarnation's request, and plan the first recording."""
        self.context.mark_unproven()
        self._tell(Withdraw(self.info.track, "restarted"))
        last_due = self.host.last_due(self.info.track)
        if last_due is not None:
            self._opened = last_due
        self._resume()

    async def run(self) -> None:
        """Wait for a message or for the time of the next recording."""
        while True:
            try:
                with trio.move_on_at(self._due):
                    message = await self.inbox.take()
                    self._handle(message)
                    self.inbox.settle(message)
            except trio.EndOfChannel:
                return
            if trio.current_time() >= self._due:
                self._begin()

    async def stopping(self, exit: Exit, /) -> None:  # noqa: A002 - the word of the field
        """Free the turn; a cancelled recording closes the source, and the host closes it for good."""
        self._tell(Withdraw(self.info.track, "ended" if exit.crash is None else "restarted"))

    def _tell(self, message: OutboxMessage) -> bool:
        return self.host.uplink().tell(message)

    def _handle(self, message: AudioMessage) -> None:
        match message:
            case Granted(request):
                if request is self._request:
                    self._deliver()
            case VerdictArrived():
                self._tell(Relevel(self.info.track, self.host.attention(self.info.track)))
                if self._last is not None and self._due < math.inf:
                    self._plan(self._last)
            case SampleSent():
                self.context.mark_healthy()
            case MutedChanged(muted):
                self.muted = muted
                self._paused_or_resumed("muted")
            case GateChanged(is_open):
                self.gate_open = is_open
                self._paused_or_resumed("silent")
            case Speaking(True):  # the publisher's client reports it, so it may only make the next recording sooner
                if self._due < math.inf and (self._last is None or isinstance(self._last.outcome, NoSpeech)):
                    self._due = trio.current_time()
            case ListeningEnded():
                if message.look == self._look:
                    self._listening_ended(message)
            case _:
                pass  # the others are for video tracks only

    def _paused_or_resumed(self, reason: str) -> None:
        if not (self.muted or not self.gate_open):
            if self._listening is None and self._due == math.inf:
                self._resume()
            return
        self._due = math.inf
        self._look += 1  # ignore later reports of the recording under way
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None
        self._sample = self._request = None
        self._tell(Withdraw(self.info.track, reason))
        self.host.planned(self.info.track, Plan(None, reason))

    def _resume(self) -> None:
        if self.muted or not self.gate_open:
            self.host.planned(self.info.track, Plan(None, "muted" if self.muted else "silent"))
            return
        self._due = max(trio.current_time(), self._opened + SHORTEST_INTERVAL)
        self.host.planned(self.info.track, Plan(self._due, "listens"))

    def _begin(self) -> None:
        self._due = math.inf
        self._opened = trio.current_time()
        self._look += 1
        self._listening = self.context.spawn(self._listen, self._look)

    async def _listen(self, look: int) -> None:
        outcome = await listen(self.source)
        self.context.ref.tell(ListeningEnded(look, outcome, trio.current_time(), time.time_ns() // 1_000_000))

    def _listening_ended(self, ended: ListeningEnded) -> None:
        self._listening = None
        self._last = ended
        self._plan(ended)
        track = self.info.track
        if isinstance(ended.outcome, NoSpeech):
            self.host.silent(track)
            return
        self.host.sample_due(track)
        chunk = ended.outcome
        self._sample = Sample(self.info.participant, track, ended.wall_ms, chunk.data, chunk.captured_at, format="pcm")
        request = RequestTurn(track, self.info.participant, self.host.attention(track), self.context.ref)
        self._request = request if self._tell(request) else None

    def _plan(self, ended: ListeningEnded) -> None:
        level = self.host.attention(self.info.track)
        self._due = self.pace.next_look(ended.outcome, level, opened=self._opened, closed=ended.closed)
        reason = ended.outcome.reason if isinstance(ended.outcome, NoSpeech) else f"{level.value}: speech"
        self.host.planned(self.info.track, Plan(self._due, reason))

    def _deliver(self) -> None:
        sample, self._sample, self._request = self._sample, None, None
        if sample is not None:
            self._tell(Deliver(self.info.track, sample))
