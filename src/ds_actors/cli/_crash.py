"""The end of a command after an unexpected error."""

from __future__ import annotations

import traceback
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import typer
from typer.exceptions import TyperException

CRASHED: Final = 70
"""The exit code, EX_SOFTWARE of sysexits.h. Python's default of 1 would mean that a scan reached a level."""


@contextmanager
def crashes_apart() -> Generator[None]:
    """Show the traceback of an unexpected error, and end the program with exit code 70.

    Raises:
        typer.Exit: in place of the error.
    """
    try:
        yield
    except (typer.Exit, typer.Abort, TyperException):
        raise
    except Exception as error:  # noqa: BLE001 - the exit code of any error must differ from a verdict's
        typer.echo("".join(traceback.format_exception(error)).rstrip(), err=True)
        typer.echo(
            f"ds-actors: unexpected error (exit code {CRASHED}); please report it with the traceback above", err=True
        )
        raise typer.Exit(CRASHED) from None
