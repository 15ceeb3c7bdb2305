"""A sink that appends JSON lines to files of bounded size and number, for their owner alone."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import trio

from ds_actors.detection.events import ResultEvent, plain

try:
    import fcntl
except ModuleNotFoundError:  # Windows: there only one process may write
    fcntl = None  # type: ignore[assignment]

_HAS_LOCKS: Final[bool] = bool(fcntl)
MAX_BYTES: Final = 10_000_000
FILES: Final = 5
_LEAST_BYTES: Final = 20_000
"""More than a line of the longest names has."""
_FLAGS: Final = (os.O_RDWR | os.O_APPEND | os.O_CREAT) | sum(
    getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")
)


class RotatingJsonLinesSink:
    """Appends each event as one line of ASCII JSON to a file, which is replaced before it grows over `max_bytes`.

    The full file becomes `NAME.1`, that one `NAME.2` and so on; the oldest is deleted. All have mode 0600. A symbolic
    link, a file with several hard links, and another user's file are refused. Several processes may write to one file.
    A line is written whole or not at all, also on a full disk.

    Args:
        path: the file; its folder must exist.
        max_bytes: how large a file may become, 20,000 at least.
        files: how many there may be, 1 to 1,000; with one, a full file is emptied.
        room: the room's name, put into each line; or a function that returns it. Without a name, no line has it.
        name: names the sink's actor and its counters.

    Raises:
        ValueError: when a value cannot be used; names the parameter.
    """

    __slots__ = ("_room", "_writing", "files", "max_bytes", "name", "path")

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int = MAX_BYTES,
        files: int = FILES,
        room: str | Callable[[], str] = "",
        name: str = "json-lines",
    ) -> None:
        self.path: Path = Path(path).absolute()
        self.max_bytes: int = _checked("max_bytes", max_bytes, _LEAST_BYTES, 1 << 50)
        self.files: int = _checked("files", files, 1, 1_000)
        self._room: str | Callable[[], str] = room
        self.name: str = name
        self._writing: trio.CapacityLimiter = trio.CapacityLimiter(1)
        if not self.path.parent.is_dir():
            raise ValueError(f"path must be in a folder that exists, and {str(self.path.parent)!r} is none")
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_file()):
            raise ValueError(f"path must be a regular file, and {str(self.path)!r} is something else, as a link")

    async def deliver(self, event: ResultEvent, /) -> None:
        """Append the line, in a thread.

        Raises:
            OSError: when it cannot be written; the file is as it was before.
        """
        line = self._line(event)
        await trio.to_thread.run_sync(self._append, line, abandon_on_cancel=True, limiter=self._writing)

    def _line(self, event: ResultEvent) -> bytes:
        room = plain(self._room() if callable(self._room) else self._room, 200)
        text = event.json()
        if room:
            text = json.dumps({"room": room, **json.loads(text)})
        return text.encode("ascii") + b"\n"

    def _append(self, line: bytes) -> None:
        while True:
            number = _open_private(self.path)
            try:
                size = _lock(number, self.path)
                if size is None:
                    continue  # another process has just replaced it
                if not size or size + len(line) <= self.max_bytes:
                    _write(number, size, line)
                    return
                if self.files == 1:
                    os.ftruncate(number, 0)
                    continue
                if _HAS_LOCKS:
                    self._rotate()
                    continue
            finally:
                os.close(number)
            self._rotate()  # Windows renames no open file

    def _rotate(self) -> None:
        for older in range(self.files - 1, 0, -1):
            newer = self._numbered(older - 1)
            if newer.exists() or newer.is_symlink():
                newer.replace(self._numbered(older))

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path

    def __repr__(self) -> str:
        return f"RotatingJsonLinesSink({str(self.path)!r}, max_bytes={self.max_bytes}, files={self.files})"


def _open_private(path: Path) -> int:
    """Open a file to append to, made for its owner alone.

    Raises:
        OSError: when it cannot be opened, or is not its owner's regular file without another name.
    """
    number = os.open(path, _FLAGS, 0o600)
    try:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is not a regular file", str(path))
        if found.st_nlink > 1 or (hasattr(os, "geteuid") and found.st_uid != os.geteuid()):
            raise OSError(0, "it has another owner or a second hard link", str(path))
        if stat.S_IMODE(found.st_mode) & 0o077 and hasattr(os, "fchmod"):
            os.fchmod(number, 0o600)
    except BaseException:
        os.close(number)
        raise
    return number


def _lock(number: int, path: Path) -> int | None:
    """Keep other processes out until the file is closed; return its size, or None when the path leads elsewhere now."""
    if fcntl is not None:
        fcntl.flock(number, fcntl.LOCK_EX)
    found = os.fstat(number)
    try:
        there = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_size if os.path.samestat(found, there) else None


def _write(number: int, size: int, line: bytes) -> None:
    # A line that a crash cut off must not swallow this one.
    if size:
        os.lseek(number, size - 1, os.SEEK_SET)
        if os.read(number, 1) != b"\n":
            line = b"\n" + line
    rest = memoryview(line)
    try:
        while rest:
            rest = rest[os.write(number, rest) :]
    except OSError:
        with suppress(OSError):
            os.ftruncate(number, size)
        raise


def _checked(name: str, value: int, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low:,} to {high:,}, not {value!r}")
    return value
