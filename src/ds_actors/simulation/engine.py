"""The simulator: events on a heap in place of actors, sockets and a clock. Pure.

Samplers, policies, outbox, assessment, heartbeat and backoff are the monitor's own objects; only what surrounds them is
simulated: time, cameras, the link and the service.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from heapq import heappop, heappush
from typing import Any, Final

from attrs import define, field

from ds_actors.detection.events import Level, Sample, TrackInfo, WireResult
from ds_actors.detection.levels.assessment import Assessments
from ds_actors.detection.levels.evidence import Evidence
from ds_actors.detection.sampling import SampleSent, SamplingPolicy, Speaking, Verdict
from ds_actors.detection.tracks.sampler import (
    CAPTURE_IS_LATE,
    LATE_AFTER,
    PATIENCE,
    Begin,
    BeginCapture,
    CancelCapture,
    Captured,
    Effects,
    FellDue,
    MutedChanged,
    RefusedMessage,
    SamplerEvent,
)
from ds_actors.detection.turns import Deliver, Granted, RequestTurn
from ds_actors.detection.uplink.link_pace import LinkPace
from ds_actors.detection.uplink.outbox import Outbox
from ds_actors.sandbox.erring import ErringJudges
from ds_actors.sandbox.room import Room
from ds_actors.sandbox.script import Script
from ds_actors.simulation._link import SimulatedLink
from ds_actors.simulation._track import SimulatedTrack
from ds_actors.simulation.outcome import Outcome, jain
from ds_actors.simulation.service import NUMBERS, Manipulation, PaperService, moments, rules_for

_FELL_DUE: Final = {level: FellDue(level) for level in Level}
_VERDICTS: Final = {level: Verdict(level) for level in Level}
_SCENES: Final = (bytes([60]) * 64, bytes([200]) * 64)


@define(eq=False)
class Simulation:
    """One policy in one scenario.

    Args:
        script: the scenario: its room, its verdicts and its faults.
        factory: makes one policy per track.
        name: what the policy is called in the outcome.
        evidence: makes levels of verdicts that may be wrong; None: the last verdict is the level.
        min_confirmations: without evidence, how many verdicts in a row raise a level.
        random: draws lost frames, the judges' errors and the uplink's jitter, in [0, 1).
    """

    script: Script
    factory: Callable[[], SamplingPolicy]
    name: str
    random: Callable[[], float]
    evidence: Evidence | None = None
    min_confirmations: int = 1
    now: float = field(default=0.0, init=False)
    room: Room = field(init=False)
    outbox: Outbox = field(init=False)
    pace: LinkPace = field(init=False)
    """What the link carries, as the monitor sees it."""
    service: PaperService = field(init=False)
    link: SimulatedLink = field(init=False)
    judges: ErringJudges = field(init=False)
    _tracks: dict[str, list[SimulatedTrack]] = field(factory=dict[str, list[SimulatedTrack]], init=False)
    """By participant."""
    _by_sid: dict[str, SimulatedTrack] = field(factory=dict[str, SimulatedTrack], init=False)
    _speaking: set[str] = field(factory=set[str], init=False)
    _manipulations: list[Manipulation] = field(factory=list[Manipulation], init=False)
    _assessments: Assessments = field(init=False)
    _heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = field(factory=list[Any], init=False)
    _numbers: Iterator[int] = field(factory=itertools.count, init=False)
    """Of the entries on the heap: those of one moment happen in this order."""
    _wake: float = field(default=math.inf, init=False)
    """When the budget holds enough again, and the outbox is checked."""
    _bytes: int = field(default=0, init=False)
    _data: bytes = field(init=False, repr=False)
    _sent: SampleSent = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.room = self.script.room
        self._assessments = Assessments(evidence=self.evidence, min_confirmations=self.min_confirmations)
        self.pace = LinkPace()
        self.outbox = Outbox(budget=self.room.budget, link=self.pace, alerts_first=self.evidence is None)
        self.service = PaperService(self.script)
        self.link = SimulatedLink(self)
        self.judges = ErringJudges(self.script.judges, self.random)
        self._data = bytes(self.room.sample_bytes)
        self._sent = SampleSent(self.room.sample_bytes)
        self._enter()
        for at, fault, begins in moments(self.script.faults):
            self.at(at, self.link.fault, fault.fault, begins)
        self.at(0.0, self.link.connect)
        for doings, happen in (
            (self.room.speaking, self._speak),
            (self.room.muted, self._mute),
        ):
            for doing in doings:
                self.at(doing.begins, partial(happen, doing.participant, active=True))
                self.at(doing.ends, partial(happen, doing.participant, active=False))
        for doing in self.room.scenes:
            self.at(doing.begins, self._change_scene, doing.participant)

    def _enter(self) -> None:
        room = self.room
        for number in range(room.participants):
            who = f"p{number + 1}"
            tracks = self._tracks[who] = []
            for each in range(room.tracks_each):
                info = TrackInfo(who, f"TR_{who}_{each + 1}")
                rules = rules_for(self.script, who, info.track)
                track = SimulatedTrack(info, self.factory(), rules)
                tracks.append(track)
                self._by_sid[info.track] = track
                found = {id(rule.manipulation): rule.manipulation for rule in rules if rule.manipulation is not None}
                self._manipulations.extend(item for item in found.values() if item.begins < room.seconds)
            self.at(number * room.joins_within / room.participants, self._join, tracks)

    # ---- time

    def at(self, when: float, function: Callable[..., None], *arguments: Any) -> None:
        """Schedule a call."""
        heappush(self._heap, (when, next(self._numbers), function, arguments))

    def run(self, until: float | None = None) -> None:
        """Run all events before `until`; by default until the scenario's end."""
        end = self.room.seconds if until is None else min(until, self.room.seconds)
        heap = self._heap
        while heap and heap[0][0] < end:
            self.now, _, function, arguments = heappop(heap)
            function(*arguments)
        self.now = end

    def outcome(self) -> Outcome:
        """Return the results so far."""
        account = self.outbox.account()
        shares: list[float] = []
        longest = 0.0
        for tracks in self._tracks.values():
            due = sum(track.due for track in tracks)
            if due:
                shares.append(sum(track.sent for track in tracks) / due)
            longest = max(longest, *(max(track.longest, self.now - track.since) for track in tracks))
        detections = [
            manipulation.detection()
            for manipulation in sorted(
                self._manipulations, key=lambda manipulation: (manipulation.begins, manipulation.track)
            )
        ]
        return Outcome(
            self.name,
            len(self._by_sid),
            self.now,
            account.due,
            account.sent,
            self._bytes,
            account.dropped,
            account.waiting + account.granted,
            detections,
            jain(shares),
            longest,
            sum(track.false_alarms for track in self._by_sid.values()),
            max(0.0, self.now * len(self._by_sid) - self._manipulated_seconds()) / 3_600,
            sum(not track.reliable for track in self._assessments.tracks.values()),
        )

    def _manipulated_seconds(self) -> float:
        return sum(max(0.0, min(item.ends, self.now) - item.begins) for item in self._manipulations)

    # ---- tracks, whose samplers decide

    def _join(self, tracks: list[SimulatedTrack]) -> None:
        for track in tracks:
            level = self._assessments.add_track(track.info, self.now)
            track.joined = True
            track.sampler.muted = track.muted
            if not track.muted:
                track.since = self.now
            self.tell(track, Begin(level, None, track.info.participant in self._speaking))

    def tell(self, track: SimulatedTrack, event: SamplerEvent) -> None:
        """Tell a track's sampler what happened, perform the effects, and put its next due time on the heap."""
        sampler = track.sampler
        effects = sampler.handle(event, self.now)
        if effects:
            self._perform(track, effects)
        due_at = sampler.due_at
        if due_at != track.scheduled_at:
            track.scheduled_at = due_at
            track.scheduled = number = next(self._numbers)
            if due_at < math.inf:
                heappush(self._heap, (max(self.now, due_at), number, self._fall_due, (track, number)))

    def _perform(self, track: SimulatedTrack, effects: Effects) -> None:
        for effect in effects:
            if isinstance(effect, BeginCapture):
                self._capture(track, effect.turn)
            # A cancelled capture needs no handling: its report carries an older turn and is ignored.
            elif not isinstance(effect, CancelCapture) and self.outbox.put(effect, self.now) is not None:
                self.tell(track, RefusedMessage(effect))

    def _fall_due(self, track: SimulatedTrack, scheduled: int) -> None:
        if scheduled != track.scheduled:
            return
        track.due += 1
        self.tell(track, _FELL_DUE[self._assessments.attention(track.info.track)])
        self.pump()

    def pump(self) -> None:
        """Take what the outbox offers, as the uplink does between two sends."""
        link = self.link
        while link.up and not link.sending:
            message = self.outbox.take(self.now)
            if isinstance(message, RequestTurn):
                self.outbox.settle(message, self.now)
                self.tell(message.grantee, Granted(message))
            elif isinstance(message, Deliver):
                link.send(message)
            else:
                self._look_again()
                return

    def _look_again(self) -> None:
        ready = self.outbox.ready_at(self.now)
        if ready is not None and (ready < self._wake or self._wake <= self.now):
            self._wake = ready
            self.at(ready, self.pump)

    def _capture(self, track: SimulatedTrack, turn: int) -> None:
        room = self.room
        lost = room.capture > PATIENCE or (room.no_frame > 0 and self.random() < room.no_frame)
        takes = PATIENCE if lost else room.capture
        if takes > LATE_AFTER:
            self.at(track.sampler.late_at, self._late, track, turn)
        self.at(self.now + takes, self._captured, track, turn, lost)

    def _late(self, track: SimulatedTrack, turn: int) -> None:
        if turn == track.sampler.turn:
            self.tell(track, CAPTURE_IS_LATE)
            self.pump()

    def _captured(self, track: SimulatedTrack, turn: int, lost: bool) -> None:  # noqa: FBT001
        info = track.info
        if lost:
            captured = Captured(turn, None, "no_frame")
        else:
            # Without scene changes, no signature is needed.
            signature = _SCENES[track.bright] if self.room.scenes else b""
            captured = Captured(turn, Sample(info.participant, info.track, 0, self._data, self.now), "", signature)
        self.tell(track, captured)
        self.pump()

    def sent(self, message: Deliver) -> None:
        """A send returned."""
        self.outbox.settle(message, self.now)
        self._bytes += len(message.sample.data)
        track = self._by_sid[message.track]
        track.sent += 1
        track.longest = max(track.longest, self.now - track.since)
        track.since = self.now if not track.muted else math.inf
        self.tell(track, self._sent)
        self.link.arrive(track, self.service.judge(track.rules, self.now))

    def answer(self, track: SimulatedTrack, level: Level, manipulation: Manipulation | None) -> None:
        """An answer arrived."""
        if manipulation is not None and manipulation.found is None and level.elevated:
            manipulation.found = self.now
        info = track.info
        applied = self._assessments.result(WireResult(NUMBERS[level], info.participant, info.track), self.now, 0)
        if applied is not None and applied.level is not None:
            track.judged(applied.event.previous_level, applied.level, manipulation, self.now)
            self.tell(track, _VERDICTS[self._assessments.attention(applied.track)])

    # ---- what participants do

    def _speak(self, participant: str, *, active: bool) -> None:
        if active:
            self._speaking.add(participant)
        else:
            self._speaking.discard(participant)
        for track in self._tracks.get(participant, ()):
            if track.joined:
                self.tell(track, Speaking(active))

    def _mute(self, participant: str, *, active: bool) -> None:
        for track in self._tracks.get(participant, ()):
            if active == track.muted:
                continue
            track.muted = active
            if not track.joined:
                continue
            if active:
                track.longest = max(track.longest, self.now - track.since)
                track.since = math.inf
            else:
                track.since = self.now
            self.tell(track, MutedChanged(active))
            self.pump()

    def _change_scene(self, participant: str) -> None:
        for track in self._tracks.get(participant, ()):
            track.bright = not track.bright
