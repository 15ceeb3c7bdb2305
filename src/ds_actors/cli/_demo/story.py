"""What happens in the demo: two participants, one face painted over bit by bit, one lost connection."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import trio
from attrs import define, evolve

from ds_actors.cli._demo.cards import Card
from ds_actors.cli._demo.show import DemoRunner
from ds_actors.cli._demo.view import DemoState
from ds_actors.cli._interrupt import interrupts
from ds_actors.cli.clips import Clip
from ds_actors.detection import AdaptiveSampling, CallbackSink, Dataspike, Monitor, Status, TrackInfo
from ds_actors.sandbox import Sandbox, judge_marker, open_sandbox


@define
class DemoScript:
    """One run of the demo; `look` is a task that receives the monitor and shows it during the story."""

    show: DemoRunner
    alice: Clip
    bob: Clip
    seconds: float
    look: Callable[[Monitor], Awaitable[None]] | None = None
    status: Status | None = None
    """The final status; None when the monitor never started."""
    last: DemoState | None = None
    """What the view showed last; its counts are those before the monitor closed."""
    interrupted: bool = False

    async def run(self) -> None:
        """Play the story to its end, or until Ctrl-C."""
        watching = trio.CancelScope()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_ctrl_c, watching)
            async with open_sandbox(judge_marker) as service:
                # Only the monitor is cancelled: if the service were, its end would look like a lost connection.
                with watching:
                    await self._watch(service)
            nursery.cancel_scope.cancel()

    def moment(self, monitor: Monitor, playing: str) -> DemoState:
        """Return what the view shows now."""
        clips = {"alice": self.alice, "bob": self.bob}
        status = monitor.status()
        cards = tuple(
            Card(track, tuple(self.show.verdicts.get(track.participant, ())), clips[track.participant].newest)
            for track in status.tracks
        )
        elapsed = time.monotonic() - self.show.began
        log = tuple(self.show.log)
        return DemoState(status, monitor.tree(), log, elapsed, self.seconds, trio.current_time(), playing, cards)

    def final(self) -> DemoState | None:
        """Return what the view showed last, with the final counts: what waited then was sent or dropped."""
        if self.last is None or self.status is None:
            return self.last
        end = self.status.uplink
        uplink = evolve(
            self.last.status.uplink,
            due=end.due,
            sent=end.sent,
            dropped=end.dropped,
            waiting=end.waiting,
            granted=end.granted,
        )
        return evolve(self.last, status=evolve(self.last.status, uplink=uplink))

    async def _until_ctrl_c(self, scope: trio.CancelScope) -> None:
        with interrupts() as interrupt:
            await interrupt()
        self.interrupted = True
        scope.cancel()

    async def _watch(self, service: Sandbox) -> None:
        monitor = Monitor(
            service=Dataspike(api_key="demo", url=service.url),
            sampling=lambda: AdaptiveSampling(normal_fps=1.0, burst_fps=4.0),
            sinks=[CallbackSink(self.show.result)],
            state_cb=self.show.state,
        )
        try:
            async with monitor, trio.open_nursery() as nursery:
                if self.look is not None:
                    nursery.start_soon(self.look, monitor)
                await monitor.add_track(TrackInfo("alice", "TR_alice"), self.alice)
                await monitor.add_track(TrackInfo("bob", "TR_bob"), self.bob)
                await self._steps(service)
                nursery.cancel_scope.cancel()
        finally:
            self.status = monitor.status()

    async def _steps(self, service: Sandbox) -> None:
        began = trio.current_time()
        steps: list[tuple[float, str, Callable[[], None]]] = [
            (0.2, "a part of alice's face is painted over", lambda: self._paint(0.03)),
            (0.35, "all of alice's face is painted over", lambda: self._paint(0.12)),
            (0.45, "the connection is cut", service.drop_now),
            (0.65, "alice's face is her own again", lambda: self._paint(0.0)),
        ]
        for share, text, act in steps:
            await trio.sleep_until(began + share * self.seconds)
            self.show.say("step", text, step=text)
            act()
        await trio.sleep_until(began + self.seconds)

    def _paint(self, share: float) -> None:
        self.alice.painted = share
