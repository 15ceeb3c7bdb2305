"""`ds-actors demo`: the whole way from pixels to an alert, on this machine alone."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Annotated

import trio
import typer
from attrs import define, field
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ds_actors.cli.clips import CREDIT, Clip
from ds_actors.detection import (
    AdaptiveSampling,
    CallbackSink,
    Dataspike,
    Level,
    Monitor,
    ResultEvent,
    Status,
    TrackInfo,
)
from ds_actors.detection.events import plain
from ds_actors.sandbox import Sandbox, judge_marker, open_sandbox

_STYLES = {Level.CLEAR: "green", Level.SUSPICIOUS: "yellow", Level.ALERT: "bold red"}
_NEXT = "Next: ds-actors sandbox, and point a Monitor at it with DATASPIKE_WS_URL."


@define
class _Show:
    """What the demo prints, in one of three forms."""

    as_json: bool
    began: float = field(factory=time.monotonic)
    lines: list[str] = field(factory=list[str])
    live: Live | None = None
    alerts: int = 0

    def say(self, event: str, text: str, **more: object) -> None:
        seconds = time.monotonic() - self.began
        if self.as_json:
            typer.echo(json.dumps({"event": event, "seconds": round(seconds, 2), **more}))
        elif self.live is not None:
            self.lines.append(f"{seconds:5.1f} s  {text}")
        else:
            typer.echo(f"{seconds:5.1f} s  {text}")

    def result(self, event: ResultEvent) -> None:
        self.alerts += event.level is Level.ALERT
        if event.level is event.previous_level and not self.as_json:
            return
        who = plain(event.participant_id)
        self.say("result", f"{who}: {event.previous_level} -> {event.level}", result=event.dict())

    def state(self, status: Status) -> None:
        if status.state == "closed" or status.uplink.cause == "stopped":
            return
        text = f"uplink {status.uplink.state}" + (f": {status.uplink.cause}" if status.uplink.cause else "")
        self.say("state", text, state=status.state, uplink=status.uplink.state, cause=status.uplink.cause)


def picture(status: Status, lines: list[str]) -> Group:
    """Return the live view: tracks, uplink, and the last lines."""
    tracks = Table(title="tracks", title_justify="left", expand=False)
    for name in ("participant", "level", "coverage", "target fps", "actual fps", "sent", "why"):
        tracks.add_column(name)
    for one in sorted(status.tracks, key=lambda track: -track.level.severity):
        tracks.add_row(
            Text(plain(one.participant)),
            Text(one.level.value, _STYLES.get(one.level, "dim")),
            Text(one.coverage.value),
            f"{one.target_fps:g}",
            f"{one.actual_fps:.1f}",
            str(one.sent),
            Text(one.reason),
        )
    uplink = status.uplink
    dropped = ", ".join(f"{n} {reason}" for reason, n in uplink.dropped.items()) or "none"
    line = f"uplink {uplink.state}, {uplink.connections} connections; {uplink.sent} of {uplink.due} due samples sent"
    return Group(tracks, Text(f"{line}; dropped: {dropped}"), *(Text(text) for text in lines[-8:]))


def demo(
    seconds: Annotated[float, typer.Option(help="How long it runs, in seconds.", min=8, max=55)] = 24,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Watch two participants, one of them tampered with for a while, and cut the connection once on the way.

    No account and no network: the pictures are made from a public-domain portrait, and the verdicts come from the
    local sandbox, which looks for a patch that the demo paints over the face. It is a stand-in, not a detector.
    """
    console = Console()
    logging.getLogger("ds_actors").addHandler(logging.NullHandler())  # the demo shows the same itself
    show = _Show(as_json)
    monitors: list[Monitor] = []
    try:
        trio.run(_run, show, console, seconds, monitors)
    except* KeyboardInterrupt:
        sys.stderr.write("stopped\n")
    if monitors:
        _summary(show, monitors[0].status())


async def _run(show: _Show, console: Console, seconds: float, monitors: list[Monitor]) -> None:
    alice, bob = Clip(0.0), Clip(0.37)
    async with open_sandbox(judge_marker) as service:
        monitor = Monitor(
            service=Dataspike(api_key="demo", url=service.url),
            sampling=lambda: AdaptiveSampling(normal_fps=1.0, burst_fps=4.0),
            sinks=[CallbackSink(show.result)],
            state_cb=show.state,
        )
        async with monitor, trio.open_nursery() as nursery:
            monitors.append(monitor)
            if console.is_terminal and not show.as_json:
                nursery.start_soon(_live, show, console, monitor)
            else:
                show.say("begin", f"two participants, {seconds:g} s. {CREDIT}", credit=CREDIT)
            await monitor.add_track(TrackInfo("alice", "TR_alice"), alice)
            await monitor.add_track(TrackInfo("bob", "TR_bob"), bob)
            await _story(show, seconds, alice, service)
            nursery.cancel_scope.cancel()


async def _story(show: _Show, seconds: float, alice: Clip, service: Sandbox) -> None:
    async def cut() -> None:
        service.drop_now()

    async def tamper(tampered: bool) -> None:
        alice.tampered = tampered

    steps: list[tuple[float, str, Callable[[], Awaitable[None]]]] = [
        (0.25, "alice's face is painted over", lambda: tamper(True)),
        (0.45, "the connection is cut", cut),
        (0.65, "alice's face is her own again", lambda: tamper(False)),
    ]
    began = trio.current_time()
    for share, text, act in steps:
        await trio.sleep_until(began + share * seconds)
        show.say("step", text, step=text)
        await act()
    await trio.sleep_until(began + seconds)


async def _live(show: _Show, console: Console, monitor: Monitor) -> None:
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        show.live = live
        try:
            while True:
                live.update(picture(monitor.status(), show.lines))
                await trio.sleep(0.2)
        finally:
            live.update(picture(monitor.status(), show.lines))
            show.live = None


def _summary(show: _Show, status: Status) -> None:
    uplink = status.uplink
    dropped = dict(uplink.dropped)
    text = (
        f"{uplink.due} samples due, {uplink.sent} sent, dropped {dropped or 'none'}; {show.alerts} alerts, "
        f"{uplink.connections} connections. {_NEXT}"
    )
    show.say("summary", text, due=uplink.due, sent=uplink.sent, dropped=dropped, alerts=show.alerts, next=_NEXT)
