"""The page on policies matches the laws and the faults."""

from __future__ import annotations

import inspect
import re
import runpy
from importlib.metadata import version
from pathlib import Path
from textwrap import indent

import pytest
from broken_policies import BROKEN

from ds_actors.cli._simulate.policies import KNOWN
from ds_actors.detection import sampling
from ds_actors.testing._laws import LAWS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "policies.md").read_text("utf-8")


def test_every_law_is_on_the_page_and_no_other() -> None:
    """With the sentence of the report, in the order in which broken laws are reported."""
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert [row for row in rows if row[0] in LAWS] == [(law, sentence) for law, (sentence, _) in LAWS.items()]


def test_every_fault_is_on_the_page_with_its_law() -> None:
    """As the tests catch it."""
    for factory, law in BROKEN.items():
        assert f"| {' '.join((inspect.getdoc(factory) or '').split())} | `{law}` |" in PAGE


@pytest.mark.parametrize("example", ["broken_policy.py", "my_laws.py"])
def test_the_report_on_the_page_is_what_the_example_prints(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the smallest timeline, which equal calls find anew; another Hypothesis may find another one."""
    runpy.run_path(str(ROOT / "examples" / example), run_name="__main__")
    told = indent(capsys.readouterr().out, "    ")
    pinned = f"hypothesis=={version('hypothesis')} " in (ROOT / "requirements" / "dev.txt").read_text("utf-8")
    assert (told if pinned else told.splitlines()[0]) in PAGE


def test_every_policy_and_every_event_is_on_the_page() -> None:
    """By its import name; the simulator knows the policies too."""
    events = (
        "Started",
        "SampleDue",
        "Verdict",
        "SampleSent",
        "SampleDropped",
        "Paused",
        "Resumed",
        "Speaking",
        "Scene",
    )
    policies = (
        "AdaptiveSampling",
        "DecayingSampling",
        "EvidenceSampling",
        "SpeakerSampling",
        "SceneSampling",
        "Fastest",
        "Budgeted",
    )
    assert len(KNOWN) == len(policies)
    for name in (*events, *policies):
        assert hasattr(sampling, name)
        assert f"`{name}(" in PAGE
