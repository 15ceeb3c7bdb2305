"""What becomes of a command whose reader has gone, as in `ds-actors scan ... | head -1`."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import typer

from ds_actors.detection.session import leaves

READER_GONE: Final = 141
"""The exit code: what a shell reports of a program that SIGPIPE ended (128 + 13)."""


@contextmanager
def ends_with_its_reader() -> Generator[None]:
    """End the program quietly, with the exit code 141, when nobody reads its output on.

    Raises:
        typer.Exit: in place of what came of writing to the closed pipe, also where tasks have put it into a group.
    """
    try:
        yield
    except BaseException as error:
        if not _is_gone(error):
            raise
        write_nowhere()
    else:
        return
    raise typer.Exit(READER_GONE)


def write_nowhere() -> None:
    """Let stdout lead nowhere from here on; or Python would complain once more when it flushes at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _is_gone(error: BaseException) -> bool:
    # rich ends the program itself, with 1, when the pipe is closed; in a task that too comes out in a group.
    return all(
        isinstance(leaf.__context__ if isinstance(leaf, SystemExit) else leaf, BrokenPipeError)
        for leaf in leaves(error)
    )
