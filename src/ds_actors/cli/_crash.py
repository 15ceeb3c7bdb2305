"""What becomes of a command that fails in a way that it does not know."""

from __future__ import annotations

import traceback
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import typer
from typer.exceptions import TyperException

CRASHED: Final = 70
"""The exit code: EX_SOFTWARE of sysexits.h. Python's own, 1, is what a scan says when a level was reached."""


@contextmanager
def crashes_apart() -> Generator[None]:
    """Show the traceback of an unknown error and end the program with 70, which means nothing else.

    Raises:
        typer.Exit: in place of the error.
    """
    try:
        yield
    except (typer.Exit, typer.Abort, TyperException):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its exit code must be no verdict
        typer.echo("".join(traceback.format_exception(error)).rstrip(), err=True)
        typer.echo(f"ds-actors: this is a fault of the program, exit code {CRASHED}; please report it", err=True)
        raise typer.Exit(CRASHED) from None
