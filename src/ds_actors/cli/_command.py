"""A command whose help fits the terminal, and whose usage errors show an example."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any, Final

import typer
from rich.console import Console
from typer.core import TyperCommand

_EXAMPLE: Final = re.compile(r"^For example: (.+?)$", re.MULTILINE)
_CODE: Final = re.compile(r"( *\d+  )(.*)")
_MARGIN: Final = 2
"""Columns that typer leaves free around the help."""


class HelpedCommand(TyperCommand):
    """One command of `ds-actors`."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help; typer would keep the line breaks of the source, and wrap a list like prose."""
        self.help = unwrapped(self.help or "")
        if self.epilog:
            self.epilog = hanging(self.epilog, Console().width - _MARGIN)
        super().format_help(ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command's part of the command line."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            example = example_of(self.help or "")
            # What is missing says nothing else; what is wrong says why.
            if example and not error.message:
                error.message = f"For example: {example}"
            error.message = error.message.removeprefix("Value error, ")  # pydantic's words
            raise


def unwrapped(text: str) -> str:
    """Return a docstring with each paragraph in one line, for the terminal to wrap."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)


def example_of(text: str) -> str:
    """Return the example of a command's docstring; empty where there is none."""
    found = _EXAMPLE.search(unwrapped(text))
    return found[1] if found else ""


def hanging(text: str, width: int) -> str:
    """Return an epilog in which the meaning of an exit code stays in its column."""
    return "\n".join(_hanging_line(line, width) for line in text.split("\n"))


def _hanging_line(line: str, width: int) -> str:
    found = _CODE.fullmatch(line)
    if found is None:
        return line
    begin, meaning = found.groups()
    return textwrap.fill(
        meaning,
        max(width, 2 * len(begin)),
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_long_words=False,
    )
