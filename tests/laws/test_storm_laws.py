"""Restart storms: bad messages in the mailboxes of a whole group cost one round, as in OTP."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from ds_actors import Actor, ChildSpec, Reject, Supervisor
from ds_actors._rules import Strategy
from ds_actors.testing import run_virtual

ROOT = Path(__file__).parents[2]
DRAWING = runpy.run_path(str(ROOT / "scripts" / "draw_storms.py"))
wave: Callable[[Strategy, list[str], Iterable[str]], tuple[int, int]] = DRAWING["wave"]


class Plain(Actor[str]):
    async def receive(self, message: str, /) -> None:
        if message == "bad":
            raise ValueError("as asked")
        await trio.lowlevel.checkpoint()


@given(
    st.lists(st.lists(st.sampled_from(["good", "bad"]), max_size=4), min_size=1, max_size=8),
    st.integers(0, 2),
)
def test_one_wave_of_bad_messages_restarts_each_member_of_a_group_once(
    mailboxes: list[list[str]], redeliver: int
) -> None:
    """However many siblings got some, before or after good ones, and even if crashes put messages back."""

    async def main() -> None:
        children = [
            ChildSpec(
                Plain, name=f"{number}", expected=(ValueError,), mailbox=lambda: Reject[Any](10, redeliver=redeliver)
            )
            for number in range(len(mailboxes))
        ]
        async with Supervisor("app", "one_for_all", children, max_restarts=1) as app:
            for ref, messages in zip(app.actors(), mailboxes, strict=True):
                for message in messages:
                    ref.tell(message)
            await trio.sleep(1)
            bad = any("bad" in messages for messages in mailboxes)
            assert [node.restarts for node in app.which()] == [int(bad)] * len(mailboxes)
            for ref in app.actors():
                counts = ref.statistics()
                ended = counts.handled + counts.failed + counts.dead + sum(counts.dropped.values())
                assert counts.accepted == ended
                assert counts.queued == counts.in_hand == 0

    run_virtual(main)


@pytest.mark.parametrize("siblings", [5, 50, 1_000])
def test_a_storm_over_many_siblings_is_linear(siblings: int) -> None:
    """n bad messages, one each: n restarts, and none of the supervisor's window is spent beyond the first."""
    restarts = 0

    async def main() -> None:
        nonlocal restarts
        children = [ChildSpec(Plain, name=f"{number}", expected=(ValueError,)) for number in range(siblings)]
        async with Supervisor("app", "one_for_all", children, max_restarts=1) as app:
            for ref in app.actors():
                ref.tell("bad")
            await trio.sleep(1)
            restarts = sum(node.restarts for node in app.which())

    run_virtual(main)
    assert restarts == siblings


def test_one_for_one_keeps_mailboxes_and_counts_each_crash() -> None:
    """There, siblings have nothing to do with each other: each crash is its own."""

    async def main() -> None:
        children = [ChildSpec(Plain, name=f"{number}", expected=(ValueError,)) for number in range(3)]
        async with Supervisor("app", "one_for_one", children, max_restarts=6) as app:
            for ref in app.actors():
                ref.tell("bad")
                ref.tell("bad")
                ref.tell("good")
            await trio.sleep(1)
            assert [node.restarts for node in app.which()] == [2, 2, 2]
            assert all(ref.statistics().handled == 1 for ref in app.actors())

    run_virtual(main)


def test_the_table_of_storms_is_what_the_rules_do() -> None:
    """No wave of crashes restarts n siblings more than n + 1 times, in either order of the crashes."""
    rows: list[str] = []
    strategies: tuple[Strategy, ...] = ("one_for_one", "one_for_all", "rest_for_one")
    for strategy, siblings in product(strategies, (5, 50, 500)):
        names = [f"{number}" for number in range(siblings)]
        waves = [wave(strategy, names, names), wave(strategy, names, reversed(names))]
        assert all(restarts <= siblings + 1 for restarts, _ in waves)
        cells = [f"{restarts} restarts, {spent} of the window" for restarts, spent in waves]
        rows.append(f"| {strategy} | {siblings} | {' | '.join(cells)} |")
    page = (ROOT / "docs" / "actors" / "storms.md").read_text("utf-8")
    assert [line for line in page.splitlines() if re.match(r"\| \w+ \| \d", line)] == rows


def test_the_plot_of_storms_is_what_the_rules_do() -> None:
    """Each of its points is computed anew, and none is above the bound."""
    for strategy, siblings in product(DRAWING["STRATEGIES"], DRAWING["SIBLINGS"]):
        restarts, spent = DRAWING["worst"](strategy, siblings)
        assert spent <= siblings
        assert siblings <= restarts <= siblings + 1
    drawn = (ROOT / "docs" / "actors" / "storms.svg").read_text("utf-8")
    assert DRAWING["draw"]() == drawn, "docs/actors/storms.svg is old: make diagrams"
