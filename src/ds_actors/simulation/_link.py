"""The simulated uplink and the service's end of it: connections, sends, answers, faults. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, Protocol

from attrs import define, evolve, field

from ds_actors._backoff import MAX_FAILURES_KEPT, Failure
from ds_actors.detection.errors import Unreachable, UplinkError
from ds_actors.detection.events import Level
from ds_actors.detection.turns import Deliver
from ds_actors.detection.uplink.backoff import UplinkBackoff
from ds_actors.detection.uplink.close_reasons import closed, rejected
from ds_actors.detection.uplink.heartbeat import Close, Heartbeat
from ds_actors.detection.uplink.link_pace import LinkPace
from ds_actors.detection.uplink.outbox import Outbox
from ds_actors.sandbox.erring import ErringJudges
from ds_actors.sandbox.faults import (
    CloseOnAccept,
    Fault,
    Garbage,
    Oversized,
    Refuse,
    RefuseConnections,
    Silence,
    Slow,
)
from ds_actors.sandbox.room import Room
from ds_actors.sandbox.script import Script
from ds_actors.simulation._track import SimulatedTrack
from ds_actors.simulation.service import Manipulation, PaperService, Rule

UPGRADE_TIMEOUT = 10.0
_FAILURE: Final = Failure(None, 0.0, 0.0, healthy=False)
"""The uplink's backoff reads nothing but the error."""


class LinkHost(Protocol):
    """What the link needs from the simulation."""

    now: float
    room: Room
    script: Script
    outbox: Outbox
    pace: LinkPace
    service: PaperService
    judges: ErringJudges
    random: Callable[[], float]

    def at(self, when: float, function: Callable[..., None], *arguments: Any) -> None:
        """Schedule a call."""
        ...

    def pump(self) -> None:
        """Take what the outbox offers."""
        ...

    def sent(self, message: Deliver) -> None:
        """A send returned."""
        ...

    def answer(self, track: SimulatedTrack, level: Level, manipulation: Manipulation | None) -> None:
        """An answer arrived."""
        ...


@define(eq=False)
class SimulatedLink:
    """One connection at a time, restarted with the uplink's own backoff."""

    simulation: LinkHost = field(repr=False)
    sending: bool = False
    _heartbeat: Heartbeat | None = None
    """The open connection's; what belongs to another one is lost."""
    _failures: list[Failure] = field(factory=list[Failure])

    @property
    def up(self) -> bool:
        """True while a connection is open."""
        return self._heartbeat is not None

    def connect(self) -> None:
        """Try to connect."""
        simulation, service = self.simulation, self.simulation.service
        refusal = service.active(Refuse)
        if service.active(RefuseConnections) is not None:
            self._failed(Unreachable("the service is away"))
        elif service.active(Silence) is not None:
            simulation.at(simulation.now + UPGRADE_TIMEOUT, self._failed, Unreachable("no accepted upgrade"))
        elif refusal is not None:
            wait = refusal.retry_after
            headers = [] if wait is None else [(b"retry-after", b"%d" % wait)]
            self._failed(rejected(refusal.status, headers, 0.0))
        else:
            self._heartbeat = heartbeat = Heartbeat(simulation.now)
            heartbeat.opened(simulation.now)
            closing = service.active(CloseOnAccept)
            if closing is not None:
                simulation.at(simulation.now + closing.after, self._cut, heartbeat, closed(closing.code, ""))
            simulation.at(heartbeat.due(), self._tick, heartbeat)
            simulation.pump()

    def fault(self, fault: Fault, begins: bool) -> None:  # noqa: FBT001
        """A fault begins or ends."""
        if not begins:
            self.simulation.service.end(fault)
        elif self.simulation.service.begin(fault) and self._heartbeat is not None:
            self._cut(self._heartbeat, Unreachable("the connection was cut"))

    def send(self, message: Deliver) -> None:
        """Send a sample at the link's speed."""
        simulation = self.simulation
        size = _on_the_wire(message)
        simulation.pace.send_began(size, simulation.now)
        if simulation.room.link == math.inf:
            self._measure()
            simulation.sent(message)
            return
        self.sending = True
        takes = size / simulation.room.link
        simulation.at(simulation.now + takes, self._sent, self._heartbeat, message)

    def arrive(self, track: SimulatedTrack, rule: Rule) -> None:
        """Have the service answer a sample that arrives now."""
        simulation, service, verdict = self.simulation, self.simulation.service, rule.verdict
        wait = simulation.script.latency
        level = verdict.level
        slow = service.active(Slow)
        if slow is not None:
            wait += slow.seconds
        for _ in range(verdict.answers):
            if simulation.script.judges:
                level = simulation.judges.answer(
                    verdict.level, track.info.participant, track.info.track, simulation.now
                )
            if level is not None:
                simulation.at(simulation.now + wait, self._answer, self._heartbeat, track, level, rule)

    def _answer(self, heartbeat: Heartbeat, track: SimulatedTrack, level: Level, rule: Rule) -> None:
        if heartbeat is not self._heartbeat:
            return
        simulation, service = self.simulation, self.simulation.service
        if not service.faultless:
            if service.active(Silence) is not None:
                return
            if service.active(Oversized) is not None:
                self._cut(heartbeat, Unreachable("a message over the limit"))
                return
            if service.active(Garbage) is not None:
                heartbeat.received(simulation.now)
                close = heartbeat.malformed()
                if close is not None:
                    self._cut(heartbeat, Unreachable(close.reason))
                return
        heartbeat.received(simulation.now)
        heartbeat.wellformed()
        heartbeat.answered()
        simulation.answer(track, level, rule.manipulation)

    def _sent(self, heartbeat: Heartbeat, message: Deliver) -> None:
        if heartbeat is not self._heartbeat:
            return
        self.sending = False
        self._measure()
        self.simulation.sent(message)
        self.simulation.pump()

    def _measure(self) -> None:
        """Have the service answer a ping behind the sample, unless it is silent."""
        simulation = self.simulation
        probe = simulation.pace.speed.sent(simulation.now)
        if probe is not None and simulation.service.active(Silence) is None:
            simulation.pace.speed.confirmed(probe, simulation.now)

    def _tick(self, heartbeat: Heartbeat) -> None:
        if heartbeat is not self._heartbeat:
            return
        simulation = self.simulation
        match heartbeat.tick(simulation.now):
            case Close(reason):
                self._cut(heartbeat, Unreachable(reason))
            case action:
                if action is not None:
                    self._ping(heartbeat)
                simulation.at(heartbeat.due(), self._tick, heartbeat)

    def _ping(self, heartbeat: Heartbeat) -> None:
        simulation = self.simulation
        heartbeat.ping_sent(simulation.now)
        if simulation.service.active(Silence) is None:
            heartbeat.received(simulation.now)
            heartbeat.answered()

    def _cut(self, heartbeat: Heartbeat, error: UplinkError) -> None:
        if heartbeat is not self._heartbeat:
            return
        simulation = self.simulation
        self._heartbeat, self.sending = None, False
        simulation.pace.speed.connection_ended(simulation.now)
        simulation.outbox.interrupted(simulation.now)
        if heartbeat.is_healthy(simulation.now):
            self._failures.clear()
        self._failed(error)

    def _failed(self, error: UplinkError) -> None:
        simulation = self.simulation
        self._failures = [*self._failures, evolve(_FAILURE, error=error)][-MAX_FAILURES_KEPT:]
        delay = UplinkBackoff().delay(self._failures, simulation.random())
        simulation.at(simulation.now + delay, self.connect)


def _on_the_wire(message: Deliver) -> int:
    """Return the bytes of a sample's WebSocket frame: masked header, protobuf's tags and lengths, names, picture."""
    sample = message.sample
    size = len(sample.data)
    header = 22 if size < 1 << 14 else 23 if size < 65_000 else 29
    return header + len(sample.participant) + len(sample.track) + size
