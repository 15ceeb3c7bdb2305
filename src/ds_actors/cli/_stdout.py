"""How a command ends when its output cannot be written: `head -1` has ended, or the disk is full."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import typer

from ds_actors.detection.uplink.close_reasons import leaves

READER_GONE: Final = 141
"""The exit code that a shell reports for a program ended by SIGPIPE (128 + 13)."""

CANNOT_WRITE: Final = 74
"""The exit code when the output cannot be written, as on a full disk: EX_IOERR of sysexits.h."""
_UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


@contextmanager
def ends_with_its_output() -> Generator[None]:
    """End the program quietly with 141 when the reader of its output has ended, or with one line and 74 on a full disk.

    Raises:
        typer.Exit: in place of the error from writing, also when it comes inside an exception group.
    """
    try:
        yield
    except BaseException as error:
        causes = [_cause(leaf) for leaf in leaves(error)]
        if all(isinstance(cause, BrokenPipeError) for cause in causes):
            code = READER_GONE
        elif all(is_unwritable(cause) for cause in causes):
            code = CANNOT_WRITE
            say_unwritable(causes[0])
        else:
            raise
        write_nowhere()
    else:
        return
    raise typer.Exit(code)


def escape_what_cannot_be_encoded() -> None:
    """Make stdout escape the characters that its encoding lacks, as stderr does."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def is_unwritable(error: BaseException | None) -> bool:
    """Return whether an error says that the output cannot be written."""
    return isinstance(error, OSError) and error.errno in _UNWRITABLE


def say_unwritable(error: BaseException | None) -> None:
    """Report on stderr why the output cannot be written."""
    typer.echo(f"ds-actors: its output cannot be written: {getattr(error, 'strerror', None) or error}", err=True)


def say(text: str) -> None:
    """Print a line; when the output cannot be written, report that on stderr once and continue without output."""
    try:
        typer.echo(text)
    except OSError as error:
        if is_unwritable(error):
            say_unwritable(error)
        elif not isinstance(error, BrokenPipeError):
            raise
        write_nowhere()


def write_nowhere() -> None:
    """Discard stdout from here on; otherwise Python would report the error again when it flushes at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _cause(leaf: BaseException) -> BaseException | None:
    # rich exits with 1 by itself when the pipe is closed; from a task, its SystemExit comes out in a group.
    return leaf.__context__ if isinstance(leaf, SystemExit) else leaf
