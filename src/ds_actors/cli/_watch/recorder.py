"""Writes a recording while a room is watched."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from ds_actors.cli._files import open_new
from ds_actors.cli._watch.recording import RecordedEvent, RecordingHead, end_line, event_line, head_line

MOST_BYTES: Final = 1_000_000_000
"""A recording that would become larger ends."""


@define(eq=False)
class WatchRecorder:
    """Appends each event as a whole line; when that fails, as on a full disk, it says so once and ends."""

    number: int | None
    """The file's descriptor; None where nothing is recorded, or no longer."""
    failed: Callable[[str], None]
    """Called with the reason when the recording ends before the watch."""
    size: int = 0
    _began: float = field(factory=time.monotonic)

    def take(self, event: dict[str, Any]) -> None:
        """Record an event."""
        if self.number is not None:
            self._write(event_line(RecordedEvent(time.monotonic() - self._began, event)))

    def begin(self, room: str) -> None:
        """Write the first line."""
        self._write(head_line(RecordingHead(room, time.time())))

    def end(self) -> None:
        """Write the last line."""
        if self.number is not None:
            self._write(end_line(time.monotonic() - self._began))

    def _write(self, line: bytes) -> None:
        assert self.number is not None
        if self.size + len(line) > MOST_BYTES:
            self._give_up(f"it has reached {MOST_BYTES:,} bytes")
            return
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self.number, rest) :]
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self.number, self.size)
            self._give_up(error.strerror or str(error))
        else:
            self.size += len(line)

    def _give_up(self, why: str) -> None:
        self.number = None
        self.failed(why)


@contextmanager
def recorder(path: Path | None, room: str, failed: Callable[[str], None]) -> Generator[WatchRecorder]:
    """Record to a new file, for its owner alone, until the block ends.

    Raises:
        OSError: when the file exists already, also as a link, or cannot be made.
    """
    if path is None:
        yield WatchRecorder(None, failed)
        return
    with open_new(path) as file:
        written = WatchRecorder(file.fileno(), failed)
        written.begin(room)
        try:
            yield written
        finally:
            written.end()
