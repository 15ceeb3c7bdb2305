"""The page on policies matches the laws and the faults."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from broken_policies import BROKEN

from ds_actors.cli._simulate.policies import KNOWN
from ds_actors.detection import sampling
from ds_actors.testing._laws import LAWS

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text("utf-8")


def test_every_law_is_on_the_page_and_no_other() -> None:
    """With the sentence of the report, in the order in which broken laws are reported."""
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert [row for row in rows if row[0] in LAWS] == [(law, sentence) for law, (sentence, _) in LAWS.items()]


def test_every_fault_is_on_the_page_with_its_law() -> None:
    """As the tests catch it."""
    for factory, law in BROKEN.items():
        assert f"| {' '.join((inspect.getdoc(factory) or '').split())} | `{law}` |" in PAGE


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
