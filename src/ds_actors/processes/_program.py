"""What a program is: its command, when it is ready, and how it ended."""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from attrs import Attribute, field, frozen

from ds_actors._errors import ActorError
from ds_actors._text import plain

_POSIX: Final = os.name == "posix"
_HINTS: Final = {
    errno.ENOENT: "there is no such program (or, for a script, no such interpreter)",
    errno.EACCES: "it is not executable for this user (chmod +x makes it so)",
    errno.ENOEXEC: "it is no program for this machine (a script needs a first line such as #!/bin/sh)",
}


class ProgramNotStarted(ActorError):
    """The operating system refused to start the program, or its port is in use already."""


class ProgramEnded(ActorError):
    """The program ended by itself, with an exit code other than 0, or before it was ready."""

    code: int | None
    """Its exit code; None when a signal killed it."""
    signal: signal.Signals | None
    """The signal that killed it; None when it exited."""
    last_lines: tuple[str, ...]
    """Its last lines, the newest last: at most five, of 200 characters each; none that `on_stdout` took."""

    def __init__(self, name: str, status: int, last_lines: Sequence[str] = (), *, ready: bool = True) -> None:
        self.code = None if status < 0 else status
        self.signal = _signal(-status) if status < 0 else None
        self.last_lines = tuple(plain(line, 200) for line in last_lines)
        how = f"exited with code {status}" if status >= 0 else f"was killed by {_signal_name(-status)}"
        early = "" if ready else " before it was ready"
        words = f"; its last lines: {' | '.join(self.last_lines)}" if self.last_lines else ", without a word"
        super().__init__(f"{name} {how}{early}{words}")


def _signal(number: int) -> signal.Signals | None:
    return signal.Signals(number) if number in signal.valid_signals() and number in set(signal.Signals) else None


def _signal_name(number: int) -> str:
    known = _signal(number)
    return f"signal {number}" if known is None else known.name


@frozen
class LineMatches:
    """Ready when a line of its stdout or stderr matches: `LineMatches(r"listening on")`."""

    pattern: str
    """A regular expression, searched for anywhere in the line."""

    def __attrs_post_init__(self) -> None:
        re.compile(self.pattern)


@frozen
class PortOpens:
    """Ready when a TCP port accepts a connection; a port that is in use before the start is refused."""

    port: int
    host: str = "127.0.0.1"

    def __attrs_post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError(f"port must be from 1 to 65535, not {self.port!r}")


Ready: TypeAlias = "LineMatches | PortOpens | Callable[[], Awaitable[object]]"
"""When a program is ready; a function is awaited once, after the start, and what it raises fails the start."""


def _words(command: Sequence[str | Path]) -> tuple[str, ...]:
    if isinstance(cast("object", command), (str, Path)):
        raise TypeError(f'a command is a list of a program and its arguments, as ["sleep", "60"] is, not {command!r}')
    words = tuple(str(word) for word in command)
    if not words or not words[0]:
        raise ValueError("a command needs a program: its first word is missing")
    if any("\0" in word for word in words):
        raise ValueError("no word of a command may have a NUL character")
    return words


def _check_environment(_program: object, _field: Attribute[Any], environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if not name or "=" in name or "\0" in name:
            raise ValueError(f"{plain(name)!r} is no name of an environment variable")
        if "\0" in value:
            raise ValueError(f"the environment variable {plain(name)} has a NUL character")


def _at_least_1(_program: object, known: Attribute[Any], value: int) -> None:
    if value < 1:
        raise ValueError(f"{known.name} must be 1 or more, not {value!r}")


@frozen
class Program:
    """A program, and when it is ready.

    Raises:
        TypeError: when the command is one string.
        ValueError: for an empty command, a NUL character, a pattern or a figure that makes no sense.
        NotImplementedError: elsewhere than on a POSIX system.
    """

    command: Sequence[str | Path] = field(converter=_words)
    """The program and its arguments. No shell reads them; all users of the machine can see them."""
    environment: Mapping[str, str] = field(factory=dict[str, str], repr=False, validator=_check_environment)
    """Added to the environment of this process."""
    directory: str | Path | None = None
    """Where it runs; None for the directory of this process."""
    ready: Ready | None = field(default=None, kw_only=True)
    """When it is ready; None for as soon as it runs. `start_timeout` of its ChildSpec limits the wait."""
    on_stdout: Callable[[str], object] | None = field(default=None, kw_only=True, repr=False)
    """Called with each line of its stdout, which is then no part of a `ProgramEnded`; None for the log."""
    on_stderr: Callable[[str], object] | None = field(default=None, kw_only=True, repr=False)
    """Called with each line of its stderr; None for the log."""
    max_line: int = field(default=4_096, kw_only=True, validator=_at_least_1)
    """Bytes of a line; a longer one is passed on in pieces."""
    lines_per_second: int = field(default=1_000, kw_only=True, validator=_at_least_1)
    """Lines that are logged within a second; the others are counted, and their number is logged."""

    def __attrs_post_init__(self) -> None:
        if not _POSIX:
            raise NotImplementedError("programs as children need a POSIX system: process groups and pipes")

    @property
    def name(self) -> str:
        """The program's own name, fit to be shown."""
        return plain(Path(str(self.command[0])).name, 60)


def not_started(program: Program, number: int) -> ProgramNotStarted:
    """Return the error for what the operating system said."""
    reason = _HINTS.get(number, os.strerror(number))
    return ProgramNotStarted(f"{program.name} was not started: {reason}")
