"""The commands on the page with the evidence's figures run, each for a minute of its room."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from ds_actors.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "evidence.md").read_text("utf-8")
COMMANDS = [
    shlex.split(command.replace("\\\n", " "))
    for command in re.findall(r"^    (ds-actors (?:.*\\\n)*.*)$", PAGE, re.MULTILINE)
]
SHORTER = {"simulate": ("--seconds", "60", "--tracks", "3", "--seeds", "1"), "tune": ("--hours", "0.5")}


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: f"{words[1]}-{len(words)}")
def test_each_command_prints_a_table(words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From the folder of a clone."""
    shown = [str(tmp_path / "plot.svg") if word.endswith(".svg") else word for word in words[1:]]
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, [*shown, *SHORTER[words[1]]])
    assert done.exit_code in ({0, 1} if words[1] == "tune" else {0}), done.output
    assert "false/h" in done.stdout or "found" in done.stdout


def test_the_page_names_a_test_and_a_plot_that_exist() -> None:
    """The room's test, and the frontier that tune draws."""
    for name in re.findall(r"tests/[\w/]+\.py", PAGE):
        assert (ROOT / name).is_file()
    picture = ET.parse(ROOT / "docs" / "tuned.svg")
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}circle"))) >= 3
    assert "](tuned.svg)" in PAGE
