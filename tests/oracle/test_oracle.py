"""Erlang itself as the oracle: the same stories, told to OTP's supervisor and to this one, come out the same.

Where this library differs on purpose, `erlang.OtpSupervision` and `giving_up_is_normal` switch it off; nothing else
is explained away. Time is so long that only counts matter.
"""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from multiprocessing import get_context

import erlang
import pytest

from ds_actors.testing._model import Model
from ds_actors.testing._stories import SupervisorPlan, supervisors

STORIES = int(os.environ.get("DS_ACTORS_ORACLE_STORIES", "2000"))


def differences(seed: str, first: int, count: int) -> list[str]:
    """Compare `count` stories in one Erlang process, and return those with different answers."""
    stories = [erlang.made_up(f"{seed} {number}") for number in range(first, first + count)]
    answers = erlang.ask(stories)
    assert len(answers) == count
    return [
        f"{erlang.as_term(story)}\n  here   {mine}\n  Erlang {theirs}"
        for story, theirs in zip(stories, answers, strict=True)
        if (mine := erlang.as_otp(story)) != theirs
    ]


def test_two_thousand_recorded_stories_come_out_as_erlang_told_them() -> None:
    """Every start, stop and end in its order, every answer, and the tree after each action."""
    recorded = erlang.read()
    assert len(recorded) == 2_000
    assert next((erlang.as_term(story) for story, trace in recorded if erlang.as_otp(story) != trace), None) is None


def test_the_recorded_stories_show_every_kind_of_thing() -> None:
    """All strategies at three levels, all kinds of starts and answers, giving up and shutting down: none is rare."""
    seen: Counter[str] = Counter()
    for story, trace in erlang.read():
        tree = list(supervisors(story.tree))
        seen.update({plan.strategy for plan in tree} | {plan.auto_shutdown for plan in tree})
        seen["three levels"] += any(
            isinstance(inner, SupervisorPlan)
            for child in story.tree.children
            for inner in getattr(child, "children", ())
        )
        parts = [line.split(";") for line in trace.split("|")]
        seen.update({answer for answer, _, _ in parts})
        seen.update({mark for mark in "+-!?x" if any(mark in log for _, log, _ in parts)})
        seen["the whole tree ends by itself"] += any(shown == "dead" for _, _, shown in parts[:-2])
    answers = {"ok", "failed", "ignored", "gone", "running", "not_found", "already_started", "already_present"}
    kinds = {"one_for_one", "one_for_all", "rest_for_one", "never", "any_significant", "all_significant"}
    wanted = answers | kinds | {"three levels", "the whole tree ends by itself", *"+-!?x"}
    assert {what: seen[what] for what in wanted if seen[what] < 20} == {}


def test_the_deviations_change_some_stories() -> None:
    """Switched on, they change some stories: so the comparison would notice one that is not listed."""
    recorded = erlang.read()
    assert sum("|".join(Model().play(story)) != trace for story, trace in recorded) > 10


@pytest.mark.timeout(1_200)
@pytest.mark.skipif(not erlang.available(), reason=f"needs Erlang: {erlang.ENABLE}")
def test_as_many_stories_as_wanted_come_out_as_erlang_tells_them() -> None:
    """Played live; DS_ACTORS_ORACLE_STORIES says how many, DS_ACTORS_ORACLE_SEED which."""
    seed = os.environ.get("DS_ACTORS_ORACLE_SEED", "live")
    batch = 2_000
    batches = [(first, min(batch, STORIES - first)) for first in range(0, STORIES, batch)]
    if len(batches) == 1:
        found = [differences(seed, *batches[0])]
    else:
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("forkserver")) as pool:
            found = list(pool.map(partial(differences, seed), *zip(*batches, strict=True)))
    assert list(chain.from_iterable(found)) == []
