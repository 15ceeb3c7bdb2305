"""The simulator: events on a heap in place of actors, sockets and a clock. Pure.

Policies, outbox, assessment, heartbeat and backoff are the monitor's own; what is on paper is only what stands around
them: the order in which the track's actor and the uplink call them, cameras, the link, and the service.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Any, Final

from attrs import define, field

from ds_actors.detection.assessment import Assessments
from ds_actors.detection.events import Level, Sample, TrackInfo, WireResult
from ds_actors.detection.outbox import (
    CaptureLate,
    Deliver,
    GiveUp,
    Outbox,
    Relevel,
    RequestTurn,
    Withdraw,
)
from ds_actors.detection.sampling import (
    SHORTEST_GAP,
    Dropped,
    Due,
    Paused,
    Plan,
    Resumed,
    SamplingEvent,
    SamplingPolicy,
    Scene,
    Sent,
    Speaking,
    Started,
    Verdict,
)
from ds_actors.detection.track import LATE_AFTER, PATIENCE
from ds_actors.sandbox.room import Room
from ds_actors.sandbox.script import Script
from ds_actors.simulation._link import Link
from ds_actors.simulation.outcome import Detection, Outcome, jain
from ds_actors.simulation.service import NUMBERS, Manipulation, PaperService, Rule, moments, rules_for

_DUE: Final = Due()
_VERDICTS: Final = {level: Verdict(level) for level in Level}
_SCENES: Final = (Scene(bytes([60]) * 64), Scene(bytes([200]) * 64))


@define(eq=False)
class PaperTrack:
    """One track: its policy, and the little that its actor knows."""

    info: TrackInfo
    policy: SamplingPolicy
    rules: list[Rule]
    plan: Plan = field(default=Plan(None, "not started"))
    scheduled: int = 0
    """The newest due time on the heap; older ones are void."""
    not_before: float = -math.inf
    request: RequestTurn | None = None
    turn: int = 0
    joined: bool = False
    muted: bool = False
    scene: int = 0
    due: int = 0
    sent: int = 0
    since: float = math.inf
    """When its last sample left, or it joined, or was unmuted."""
    longest: float = 0.0


@define(eq=False)
class Simulation:
    """One policy in one scenario.

    Args:
        script: the scenario: its room, its verdicts and its faults.
        factory: makes one policy a track.
        name: what the policy is called in the outcome.
        random: draws lost frames and the uplink's jitter, in [0, 1).
    """

    script: Script
    factory: Callable[[], SamplingPolicy]
    name: str
    random: Callable[[], float]
    now: float = field(default=0.0, init=False)
    room: Room = field(init=False)
    outbox: Outbox = field(init=False)
    service: PaperService = field(init=False)
    link: Link = field(init=False)
    _tracks: dict[str, list[PaperTrack]] = field(factory=dict[str, list[PaperTrack]], init=False)
    """By participant."""
    _by_sid: dict[str, PaperTrack] = field(factory=dict[str, PaperTrack], init=False)
    _speaking: set[str] = field(factory=set[str], init=False)
    _manipulations: list[Manipulation] = field(factory=list[Manipulation], init=False)
    _assessments: Assessments = field(factory=Assessments, init=False)
    _heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = field(factory=list[Any], init=False)
    _number: int = field(default=0, init=False)
    _wake: float = field(default=math.inf, init=False)
    """When the budget will hold enough, and the outbox is looked into again."""
    _bytes: int = field(default=0, init=False)
    _data: bytes = field(init=False, repr=False)
    _sent: Sent = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.room = self.script.room
        self.outbox = Outbox(budget=self.room.budget)
        self.service = PaperService(self.script)
        self.link = Link(self)
        self._data = bytes(self.room.sample_bytes)
        self._sent = Sent(self.room.sample_bytes)
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
                if doing.ends < math.inf:
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
                track = PaperTrack(info, self.factory(), rules)
                tracks.append(track)
                self._by_sid[info.track] = track
                found = {id(rule.manipulation): rule.manipulation for rule in rules if rule.manipulation is not None}
                self._manipulations.extend(one for one in found.values() if one.begins < room.seconds)
            self.at(number * room.joins_within / room.participants, self._join, tracks)

    # ---- time

    def at(self, when: float, function: Callable[..., None], *arguments: Any) -> None:
        """Have something happen."""
        self._number += 1
        heappush(self._heap, (when, self._number, function, arguments))

    def run(self, until: float | None = None) -> None:
        """Let happen what happens before `until`; by default before the scenario's end."""
        end = self.room.seconds if until is None else min(until, self.room.seconds)
        heap = self._heap
        while heap and heap[0][0] < end:
            self.now, _, function, arguments = heappop(heap)
            function(*arguments)
        self.now = end

    def outcome(self) -> Outcome:
        """Return what was found up to now."""
        account = self.outbox.account()
        shares: list[float] = []
        longest = 0.0
        for tracks in self._tracks.values():
            due = sum(one.due for one in tracks)
            if due:
                shares.append(sum(one.sent for one in tracks) / due)
            longest = max(longest, *(max(one.longest, self.now - one.since) for one in tracks))
        detections = [
            Detection(one.track, one.begins, None if one.found is None else one.found - one.begins)
            for one in sorted(self._manipulations, key=lambda one: (one.begins, one.track))
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
        )

    # ---- tracks, as their actors do it

    def _join(self, tracks: list[PaperTrack]) -> None:
        for track in tracks:
            level = self._assessments.add_track(track.info, self.now)
            track.joined = True
            self.on(track, Started(level))
            if track.info.participant in self._speaking:
                self.on(track, Speaking(active=True))
            if track.muted:
                self.on(track, Paused())
            else:
                track.since = self.now

    def on(self, track: PaperTrack, event: SamplingEvent) -> None:
        """Tell a track's policy, and follow its plan."""
        plan = track.policy.on(event, self.now)
        # A due time that was consumed is planned anew, also when it says the same again.
        if plan.due != track.plan.due or event is _DUE:
            track.scheduled += 1
            if plan.due is not None:
                self._number += 1
                if math.isnan(plan.due):
                    raise ValueError("the policy planned a sample for NaN, which is no time")
                when = max(self.now, plan.due, track.not_before)
                heappush(self._heap, (when, self._number, self._fall_due, (track, track.scheduled)))
        track.plan = plan

    def _fall_due(self, track: PaperTrack, scheduled: int) -> None:
        if scheduled != track.scheduled:
            return
        track.due += 1
        track.not_before = self.now + SHORTEST_GAP
        self.on(track, _DUE)
        info = track.info
        request = RequestTurn(info.track, info.participant, self._assessments.level(info.track), track)
        if self.outbox.put(request, self.now) is None:
            track.request = request
            self.pump()
        else:
            self.on(track, Dropped("superseded"))

    def pump(self) -> None:
        """Take from the outbox what may be taken, as the uplink does between two sends."""
        link = self.link
        while link.up and not link.sending:
            message = self.outbox.take(self.now)
            if isinstance(message, RequestTurn):
                self.outbox.settle(message, self.now)
                if message is message.grantee.request:
                    self._capture(message.grantee)
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

    def _capture(self, track: PaperTrack) -> None:
        track.turn += 1
        room = self.room
        lost = room.capture > PATIENCE or (room.no_frame > 0 and self.random() < room.no_frame)
        takes = PATIENCE if lost else room.capture
        if takes > LATE_AFTER:
            self.at(self.now + LATE_AFTER, self._late, track, track.turn)
        self.at(self.now + takes, self._captured, track, track.turn, lost)

    def _late(self, track: PaperTrack, turn: int) -> None:
        if turn != track.turn:
            return
        if self.outbox.put(CaptureLate(track.info.track), self.now) is not None:
            track.turn += 1
            track.request = None
            self.on(track, Dropped("no_frame"))
        self.pump()

    def _captured(self, track: PaperTrack, turn: int, lost: bool) -> None:  # noqa: FBT001
        if turn != track.turn:
            return
        track.turn += 1
        track.request = None
        info = track.info
        if lost:
            self.outbox.put(GiveUp(info.track, "no_frame"), self.now)
            self.on(track, Dropped("no_frame"))
        else:
            if self.room.scenes:  # without changes there is nothing to be seen in them
                self.on(track, _SCENES[track.scene % 2])
            sample = Sample(info.participant, info.track, 0, self._data, self.now)
            if self.outbox.put(Deliver(info.track, sample), self.now) is not None:
                self.on(track, Dropped("stale"))
        self.pump()

    def sent(self, message: Deliver) -> None:
        """A send returned."""
        self.outbox.settle(message, self.now)
        self._bytes += len(message.sample.data)
        track = self._by_sid[message.track]
        track.sent += 1
        track.longest = max(track.longest, self.now - track.since)
        track.since = self.now if not track.muted else math.inf
        self.on(track, self._sent)
        self.link.arrive(track, self.service.judge(track.rules, self.now))

    def answer(self, track: PaperTrack, level: Level, manipulation: Manipulation | None) -> None:
        """An answer arrived."""
        if manipulation is not None and manipulation.found is None:
            manipulation.found = self.now
        info = track.info
        applied = self._assessments.result(WireResult(NUMBERS[level], info.participant, info.track), self.now, 0)
        if applied is not None and applied.level is not None:
            if applied.level is not applied.event.previous_level:
                self.outbox.put(Relevel(info.track, applied.level), self.now)
            self.on(track, _VERDICTS[applied.level])

    # ---- what participants do

    def _speak(self, participant: str, *, active: bool) -> None:
        if active:
            self._speaking.add(participant)
        else:
            self._speaking.discard(participant)
        for track in self._tracks.get(participant, ()):
            if track.joined:
                self.on(track, Speaking(active))

    def _mute(self, participant: str, *, active: bool) -> None:
        for track in self._tracks.get(participant, ()):
            if active == track.muted:
                continue
            track.muted = active
            track.turn += 1
            if not track.joined:
                continue
            if active:
                track.longest = max(track.longest, self.now - track.since)
                track.since = math.inf
                if track.request is not None:
                    track.request = None
                    self.on(track, Dropped("muted"))
                self.outbox.put(Withdraw(track.info.track, "muted"), self.now)
                self.on(track, Paused())
                self.pump()
            else:
                track.since = self.now
                self.on(track, Resumed())

    def _change_scene(self, participant: str) -> None:
        for track in self._tracks.get(participant, ()):
            track.scene += 1
