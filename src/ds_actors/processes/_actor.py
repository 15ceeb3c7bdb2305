"""The actor that is a program."""

from __future__ import annotations

import logging
import re
import signal
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import trio
from attrs import define, field

from ds_actors._actor import Actor
from ds_actors._text import plain
from ds_actors.processes._guarded import GuardedProgram
from ds_actors.processes._output import LineSplitter, LogBudget
from ds_actors.processes._program import LineMatches, PortOpens, Program, ProgramEnded, ProgramNotStarted

logger = logging.getLogger("ds_actors.processes")

_CHUNK: Final = 4_096
_LOOKS_EVERY: Final = 0.05
_LAST_LINES: Final = 5
_LAST_LINES_WITHIN: Final = 1.0
"""Seconds that the output has to end after the program; a process that got away may hold it open."""


@define(eq=False)
class ProgramActor(Actor[signal.Signals]):
    """Runs one program: it is ready when the program is, and ends when the program does.

    A message is a signal, which the program's process group gets. An exit with code 0 is a normal end, for which
    `restart="transient"` starts no other; any other end is a crash with `ProgramEnded`. Asked to stop, it sends
    SIGTERM to the process group, and when the grace is over SIGKILL. Nothing that the program started outlives it.

    Example:
        ```python
        redis = Program(["redis-server", "--port", "7000"], ready=PortOpens(7000))
        async with Supervisor("app") as app:
            await app.start(ProgramActor, redis, name="redis", backoff=ExponentialBackoff())
        ```
    """

    program: Program
    _process: GuardedProgram = field(init=False, repr=False)
    _ready: bool = field(default=False, init=False)
    _ending: bool = field(default=False, init=False)
    """It was asked to end, so that no end is a crash."""
    _matched: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _ended: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _outputs_ended: list[trio.Event] = field(factory=list[trio.Event], init=False, repr=False)
    _last: deque[str] = field(factory=lambda: deque[str](maxlen=_LAST_LINES), init=False, repr=False)

    async def started(self) -> None:
        """Start the program, and wait until it is ready.

        Raises:
            ProgramNotStarted: there is no such program, it is not executable, or its port is in use.
            ProgramEnded: it ended before it was ready.
        """
        ready = self.program.ready
        if isinstance(ready, PortOpens) and await _accepts(ready):
            raise ProgramNotStarted(
                f"{self.program.name} was not started: {ready.host}:{ready.port} is in use by another program"
            )
        self._process = GuardedProgram(self.program)
        try:
            await self._process.open()
            logger.info("%s started as process %s", self.context.path, self._process.pid)
            self._read_outputs()
            self.context.spawn(self._watch)
            waiting = trio.CancelScope()
            stopping = self.context.spawn(self._end_waiting, waiting)
            with waiting:
                await self._wait_ready()
            stopping.cancel()
        except BaseException:
            self._ending = True
            await self._kill()
            raise
        self._ready = True

    def _read_outputs(self) -> None:
        pattern = re.compile(self.program.ready.pattern) if isinstance(self.program.ready, LineMatches) else None
        budget = LogBudget(self.program.lines_per_second)
        log = partial(self._log, budget)
        takers = (
            self.program.on_stdout or partial(self._keep, log),
            partial(self._keep, self.program.on_stderr or log),
        )
        for stream, take in zip(self._process.outputs, takers, strict=True):
            ended = trio.Event()
            self._outputs_ended.append(ended)
            self.context.spawn(self._read, stream, take, pattern, ended)

    async def _read(
        self,
        stream: trio.abc.ReceiveStream,
        take: Callable[[str], object],
        pattern: re.Pattern[str] | None,
        ended: trio.Event,
    ) -> None:
        splitter = LineSplitter(self.program.max_line)
        async with stream:
            while chunk := bytes(await stream.receive_some(_CHUNK)):
                self._take(splitter.feed(chunk), take, pattern)
        self._take(splitter.end(), take, pattern)
        ended.set()

    def _take(self, lines: list[str], take: Callable[[str], object], pattern: re.Pattern[str] | None) -> None:
        for line in lines:
            take(line)
            if pattern is not None and pattern.search(line):
                self._matched.set()

    def _keep(self, take: Callable[[str], object], line: str) -> None:
        self._last.append(line)
        take(line)

    def _log(self, budget: LogBudget, line: str) -> None:
        if not budget.spend(trio.current_time()):
            return
        left_out = budget.take_left_out()
        if left_out:
            most = self.program.lines_per_second
            logger.warning("%s: %d lines were not logged, over %d in a second", self.context.path, left_out, most)
        logger.info("%s: %s", self.context.path, plain(line))

    async def _end_waiting(self, waiting: trio.CancelScope) -> None:
        await self.context.wait_stop_requested()
        self._ending = True
        waiting.cancel()

    async def _wait_ready(self) -> None:
        ready = self.program.ready
        if isinstance(ready, LineMatches):
            await self._matched.wait()
        elif isinstance(ready, PortOpens):
            await _wait_accepts(ready)
        elif ready is not None:
            await ready()

    async def _watch(self) -> None:
        status = await self._process.wait_ended()
        await self._read_to_the_end()
        self._ended.set()
        if self._ending:
            return
        if status or not self._ready:
            raise ProgramEnded(self.program.name, status, tuple(self._last), ready=self._ready)
        self.context.stop()

    async def _read_to_the_end(self) -> None:
        with trio.move_on_after(_LAST_LINES_WITHIN):
            for ended in self._outputs_ended:
                await ended.wait()

    async def run(self) -> None:
        """Pass signals on until the program has ended; asked to stop, end it."""
        try:
            async for number in self.inbox:
                await self._process.signal(number)
            self._ending = True
            if not self._ended.is_set():
                await self._process.signal(signal.SIGTERM)
                await self._ended.wait()
        finally:
            await self._kill()

    async def _kill(self) -> None:
        await self._process.kill()
        with trio.CancelScope(shield=True):
            await self._read_to_the_end()


async def _wait_accepts(ready: PortOpens) -> None:
    while True:
        if await _accepts(ready):
            return
        await trio.sleep(_LOOKS_EVERY)


async def _accepts(ready: PortOpens) -> bool:
    try:
        stream = await trio.open_tcp_stream(ready.host, ready.port)
    except OSError:
        return False
    await stream.aclose()
    return True
