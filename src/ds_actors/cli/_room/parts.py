"""The parts of the room as actors: each crash restarts that part, at the address that it had."""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Any, Final, Never

import trio
from attrs import define, field

from ds_actors import Actor, ChildSpec, ExponentialBackoff
from ds_actors.cli._room.plan import LOOPBACK, RoomPlan
from ds_actors.cli._room.site import RoomSite
from ds_actors.cli._room.web import WebServer
from ds_actors.sandbox import MarkerVerdicts, open_sandbox

SERVER, SANDBOX, MONITOR, WEB = "livekit-server", "sandbox", "monitor", "web"
END_WITHIN: Final = 6.0
"""Seconds that a process has to end after its stdin ended; then it is killed."""
_ANSWERS_WITHIN: Final = 25.0
_LOOK_EVERY: Final = 0.05
_MOST_LINE: Final = 1_000_000
_LINES_KEPT: Final = 5
_HERE: Final = Path(__file__).parent

Tell = Callable[[str, str], None]
"""(part, line): a line for the console."""


class PartEnded(Exception):
    """A part's process ended by itself; the message has its exit code and its last lines."""


@define(eq=False)
class ChildProcess:
    """A process that ends when its stdin does, so it never outlives this one."""

    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(repr=False)
    on_line: Callable[[str], None]
    """Called with each line of its stdout."""
    on_log: Callable[[str], None]
    """Called with each line of its stderr."""
    _last: deque[str] = field(factory=lambda: deque[str](maxlen=_LINES_KEPT))

    async def run(self) -> None:
        """Run until cancelled; then end its stdin, and kill it if that does not end it within 6 s.

        Raises:
            PartEnded: when it ends by itself.
        """
        async with trio.open_nursery() as nursery:
            start = partial(
                trio.run_process,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                check=False,
                deliver_cancel=_end,
                env={**os.environ, **self.environment},
                start_new_session=True,  # Ctrl-C in the terminal is for this process, which ends the parts in order
            )
            process: trio.Process = await nursery.start(start, [str(word) for word in self.command])
            assert process.stdout is not None
            assert process.stderr is not None
            nursery.start_soon(_lines, process.stdout, self.on_line)
            nursery.start_soon(_lines, process.stderr, self._log)
            code = await process.wait()
            await trio.sleep(_LOOK_EVERY)  # its last lines are on their way
            nursery.cancel_scope.cancel()
        self.on_log(f"ended with exit code {code}")
        raise PartEnded(f"exit code {code}: {'; '.join(self._last) or 'without a word'}")

    def _log(self, line: str) -> None:
        self._last.append(line)
        self.on_log(line)


async def _end(process: trio.Process) -> None:
    assert process.stdin is not None
    await process.stdin.aclose()
    await trio.sleep(END_WITHIN)
    process.kill()


async def _lines(stream: trio.abc.ReceiveStream, take: Callable[[str], None]) -> None:
    """Pass on each line; one that is longer than a megabyte is passed on in pieces."""
    kept = b""
    async for chunk in stream:
        *whole, kept = (kept + chunk).split(b"\n")
        if len(kept) > _MOST_LINE:
            whole, kept = [*whole, kept], b""
        for line in whole:
            take(line.decode("utf-8", "replace"))


def _ignore(_line: str) -> None:
    """Show nothing."""


@define(eq=False)
class LiveKitServer(Actor[Never]):
    """livekit-server, ready when it answers."""

    plan: RoomPlan
    program: Path

    async def started(self) -> None:
        """Start it, and wait until it answers."""
        process = ChildProcess(
            [sys.executable, "-I", "-S", _HERE / "guard.py", self.program],
            # Not on the command line, which all users of the machine see; not in a file, which would stay behind.
            {"LIVEKIT_CONFIG": self.plan.server_config()},
            # What participants do wrong is no news here; its last lines say why it ended.
            on_line=_ignore,
            on_log=_ignore,
        )
        self.context.spawn(process.run)
        with trio.fail_after(_ANSWERS_WITHIN):
            await _wait_for_answer(self.plan.server_port)


async def _wait_for_answer(port: int) -> None:
    while True:
        if await _answers(port):
            return
        await trio.sleep(_LOOK_EVERY)


async def _answers(port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream(LOOPBACK, port)
    except OSError:
        return False
    async with stream:
        try:
            await stream.send_all(b"GET / HTTP/1.0\r\n\r\n")
            return (await stream.receive_some(64)).startswith(b"HTTP/1.")
        except trio.BrokenResourceError:
            return False


@define(eq=False)
class RoomMonitor(Actor[Never]):
    """The plugin in a process of its own, because LiveKit's SDK needs asyncio; its restart joins the room anew."""

    plan: RoomPlan
    make_token: Callable[[RoomPlan], str] = field(repr=False)
    tell: Tell
    joined: Callable[[], None]
    """Called each time that it has joined the room."""

    async def started(self) -> None:
        """Start it; it joins the room in its own time."""
        self.plan.monitor = None  # what the one before it told
        process = ChildProcess(
            [sys.executable, "-P", _HERE / "watcher.py"],
            {
                "LIVEKIT_URL": self.plan.livekit_url,
                "LIVEKIT_TOKEN": self.make_token(self.plan),
                "DATASPIKE_WS_URL": self.plan.sandbox_url,
                "DATASPIKE_API_KEY": "sandbox",
            },
            on_line=self._take,
            on_log=partial(self.tell, MONITOR),
        )
        self.context.spawn(process.run)

    def _take(self, line: str) -> None:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == "status":
            self.plan.monitor = event["status"]
        else:
            self.joined()


@define(eq=False)
class SandboxService(Actor[Never]):
    """The stand-in for the detection service."""

    plan: RoomPlan

    async def started(self) -> None:
        """Listen."""
        listening = trio.Event()

        async def serve() -> None:
            async with open_sandbox(MarkerVerdicts(), host=LOOPBACK, port=self.plan.sandbox_port):
                listening.set()
                await trio.sleep_forever()

        self.context.spawn(serve)
        await listening.wait()


@define(eq=False)
class WebPage(Actor[Never]):
    """The page and its tokens."""

    site: RoomSite

    async def started(self) -> None:
        """Listen."""
        listeners = await trio.open_tcp_listeners(self.site.plan.web_port, host=LOOPBACK)
        server = WebServer(self.site.respond, self.site.headers)
        self.context.spawn(trio.serve_listeners, server.serve, listeners)


def part(factory: Callable[..., Actor[Never]], *args: object, name: str) -> ChildSpec[Never]:
    """Return how a part is supervised: tried again up to five times in a row, with growing pauses."""
    return ChildSpec(
        factory,
        *args,
        name=name,
        backoff=ExponentialBackoff(base=0.5, cap=5.0),
        max_failures=5,
        grace=END_WITHIN + 2,
        expected=(PartEnded,),
    )
