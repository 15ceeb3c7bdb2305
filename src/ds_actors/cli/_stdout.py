"""What becomes of a command whose output goes nowhere: into `head -1`, which has gone, or onto a full disk."""

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
"""The exit code: what a shell reports of a program that SIGPIPE ended (128 + 13)."""

CANNOT_WRITE: Final = 74
"""The exit code where the output cannot be written, as on a full disk: EX_IOERR of sysexits.h."""
_UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


@contextmanager
def ends_with_its_output() -> Generator[None]:
    """End the program quietly with 141 when its reader is gone; with one line and 74 when the disk is full.

    Raises:
        typer.Exit: in place of what came of writing, also where tasks have put it into a group.
    """
    try:
        yield
    except BaseException as error:
        causes = [_cause(leaf) for leaf in leaves(error)]
        if all(isinstance(one, BrokenPipeError) for one in causes):
            code = READER_GONE
        elif all(is_unwritable(one) for one in causes):
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
    """Return whether an error says that there is no room for the output."""
    return isinstance(error, OSError) and error.errno in _UNWRITABLE


def say_unwritable(error: BaseException | None) -> None:
    """Say on stderr why the output cannot be written."""
    typer.echo(f"ds-actors: its output cannot be written: {getattr(error, 'strerror', None) or error}", err=True)


def write_nowhere() -> None:
    """Let stdout lead nowhere from here on; or Python would complain once more when it flushes at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _cause(leaf: BaseException) -> BaseException | None:
    # rich ends the program itself, with 1, when the pipe is closed; in a task that too comes out in a group.
    return leaf.__context__ if isinstance(leaf, SystemExit) else leaf
