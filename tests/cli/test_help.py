"""The help of the commands, and what they say when an argument is missing."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from ds_actors.cli import app
from ds_actors.cli._command import example_of, hanging

WITH_CODES = ("room", "watch", "replay", "scan", "calibrate", "serve", "simulate", "tune", "doctor", "config")
WIDTHS = pytest.mark.parametrize("width", [60, 80, 100])


def help_of(command: str, width: int = 80) -> str:
    """Return the help of a command on a terminal of that width."""
    return CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": str(width)}).stdout


@pytest.mark.parametrize("command", WITH_CODES)
def test_the_exit_codes_are_behind_the_options_and_begin_with_success(command: str) -> None:
    """Those that every command has come last."""
    text = help_of(command)
    options, codes = text.index("--help"), text.index("Exit codes")
    assert options < codes
    found = re.findall(r"^ +(\d+)  \w", text[codes:], re.MULTILINE)
    assert (found[0], found[-3:]) == ("0", ["70", "74", "141"])


@WIDTHS
@pytest.mark.parametrize("command", WITH_CODES)
def test_the_meaning_of_an_exit_code_stays_in_its_column(command: str, width: int) -> None:
    """Also where it takes two lines."""
    text = help_of(command, width)
    lines = [line.rstrip() for line in text[text.index("Exit codes") :].splitlines()[1:]]
    (column,) = {found.end() for line in lines if (found := re.match(r" +\d+  (?=\S)| {6,}(?=\S)", line))}
    assert all(not line or re.match(r"[ \d]+  $", line[:column]) for line in lines), lines
    assert all(len(line) <= width for line in lines)


@WIDTHS
@pytest.mark.parametrize("command", [*WITH_CODES, "demo", "clip", "sandbox"])
def test_each_line_of_prose_is_as_long_as_the_terminal_allows(command: str, width: int) -> None:
    """The line breaks of the source are none of the help's."""
    before, _, _ = help_of(command, width).partition("╭")
    lines = [line.strip() for line in before.splitlines()]
    for line, following in pairwise(lines):
        if line and following:
            assert len(f" {line} {following.split()[0]}") >= width, line


def test_a_code_on_a_terminal_narrower_than_its_column_still_ends() -> None:
    """Every word is there."""
    assert hanging("  141  the reader ended", 1).split() == ["141", "the", "reader", "ended"]


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("simulate", "Missing argument 'POLICY'. For example: ds-actors simulate adaptive"),
        ("calibrate", "Missing option '--clean' / '--genuine'. For example: ds-actors calibrate --detector"),
        ("watch", "Missing argument 'ROOM'. For example: ds-actors watch call-42"),
        ("scan", "Missing argument 'FILE'. For example: ds-actors scan --sandbox"),
        ("serve", "Missing option '--detector'. For example: ds-actors serve --detector my_detector:judge"),
        ("clip", "Missing argument 'FILE.mp4'. For example: ds-actors clip alice.mp4"),
        ("replay", "Missing argument 'FILE'. For example: ds-actors replay call.jsonl --speed 10"),
    ],
)
def test_what_is_missing_is_named_with_an_example(command: str, missing: str) -> None:
    """Exit code 2."""
    result = CliRunner().invoke(app, [command], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert missing in result.stderr


def test_a_value_that_cannot_be_used_says_why_and_shows_no_example() -> None:
    """The reason is what helps."""
    result = CliRunner().invoke(app, ["clip", "a.mp4", "--seconds", "1"], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert "--seconds" in result.stderr
    assert "For example" not in result.stderr


def test_a_word_that_is_no_choice_is_told_with_the_choices() -> None:
    """Without the words of the library that validates it."""
    result = CliRunner().invoke(app, ["watch", "call", "--fail-on", "alrt"], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert "Invalid value for '--fail-on': 'alrt' is not one of 'suspicious', 'alert'." in result.stderr


def test_an_example_of_two_lines_is_whole() -> None:
    """It ends with its paragraph."""
    assert example_of("Do it.\n\n    For example: do\n    --it\n\n    More.") == "do --it"
    assert example_of("Do it.") == ""
