"""A process that never outlives this one: it ends when its stdin does."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Final

import trio
from attrs import define, field

END_WITHIN: Final = 6.0
"""Seconds that a process has to end after its stdin ended; then it is killed."""
_LAST_LINES_WITHIN: Final = 0.05
_MOST_LINE: Final = 1_000_000
_LINES_KEPT: Final = 5


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
            await trio.sleep(_LAST_LINES_WITHIN)  # its last lines are on their way
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
