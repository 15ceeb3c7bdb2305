"""Stories as Erlang terms, and Erlang's own answers to them.

`python tests/oracle/erlang.py` writes `recorded.jsonl.gz` anew: stories and what OTP made of them.
"""

from __future__ import annotations

import gzip
import json
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ds_actors._rules import ALIVE, Child
from ds_actors._supervision import Supervision
from ds_actors.testing._model import Model
from ds_actors.testing._stories import (
    Action,
    End,
    Plan,
    StartChild,
    StopRequest,
    Story,
    StoryGenerator,
    SupervisorPlan,
    WorkerPlan,
)

HERE = Path(__file__).parent
RECORDED = HERE / "recorded.jsonl.gz"
ENABLE = "apt-get install -y --no-install-recommends erlang-base"
ACTIONS = 12


class OtpSupervision(Supervision):
    """Decides like OTP where this library differs on purpose; each difference is a row of docs/actors/deviations.md."""

    __slots__ = ()

    def _goes_on(self, child: Child) -> bool:
        # Of the children that a failed restart left behind, OTP counts only the one that failed.
        return child.status in ALIVE


def as_otp(story: Story) -> str:
    """Return the model's answers to a story, with the deviations switched off."""
    return "|".join(Model(OtpSupervision, giving_up_is_normal=True).play(story))


def made_up(seed: str) -> Story:
    return StoryGenerator(random.Random(seed)).story(ACTIONS)


def available() -> bool:
    return shutil.which("erl") is not None and shutil.which("erlc") is not None


def ask(stories: Iterable[Story]) -> list[str]:
    """Return Erlang's answers to each story, from one Erlang process."""
    text = "".join(as_term(story) + ".\n" for story in stories)
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["erlc", "-o", scratch, str(HERE / "oracle.erl")], check=True)
        command = ["erl", "+S", "1", "-noinput", "-pa", scratch, "-s", "oracle", "main"]
        done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().splitlines()


# ---- in Erlang's terms


def as_term(story: Story) -> str:
    return f"{{{_plan(story.tree)},[{','.join(map(_action, story.actions))}]}}"


def _plan(plan: Plan) -> str:
    head = f'{plan.name},{plan.restart},{str(plan.significant).lower()},"{plan.outcomes}"'
    if isinstance(plan, WorkerPlan):
        return f"{{w,{head}}}"
    children = ",".join(map(_plan, plan.children))
    return f"{{s,{head},{plan.strategy},{plan.max_restarts},{plan.auto_shutdown},[{children}]}}"


def _action(action: Action) -> str:
    match action:
        case End(supervisor, victims):
            words = {"crash": "crash", "finish": "normal"}
            return f"{{'end',{supervisor},[{','.join(f'{{{name},{words[how]}}}' for name, how in victims)}]}}"
        case StopRequest(kind, supervisor, child):
            return f"{{{kind},{supervisor},{child}}}"
        case StartChild(supervisor, plan):
            return f"{{start,{supervisor},{_plan(plan)}}}"


# ---- as JSON


def as_lists(story: Story) -> list[Any]:
    return [_plan_as_lists(story.tree), [_action_as_lists(action) for action in story.actions]]


def _plan_as_lists(plan: Plan) -> list[Any]:
    head = [plan.name, plan.restart, int(plan.significant), plan.outcomes]
    if isinstance(plan, WorkerPlan):
        return head
    return [*head, plan.strategy, plan.max_restarts, plan.auto_shutdown, [_plan_as_lists(c) for c in plan.children]]


def _action_as_lists(action: Action) -> list[Any]:
    match action:
        case End(supervisor, victims):
            return ["end", supervisor, victims]
        case StopRequest(kind, supervisor, child):
            return [kind, supervisor, child]
        case StartChild(supervisor, plan):
            return ["start", supervisor, _plan_as_lists(plan)]


def from_lists(lists: list[Any]) -> Story:
    tree = _plan_from(lists[0])
    assert isinstance(tree, SupervisorPlan)
    return Story(tree, tuple(map(_action_from, lists[1])))


def _plan_from(lists: list[Any]) -> Plan:
    name, restart, significant, outcomes, *rest = lists
    if not rest:
        return WorkerPlan(name, restart, bool(significant), outcomes)
    strategy, limit, auto, children = rest
    children = tuple(map(_plan_from, children))
    return SupervisorPlan(name, restart, bool(significant), outcomes, strategy, limit, auto, children)


def _action_from(lists: list[Any]) -> Action:
    kind, supervisor, what = lists
    if kind == "end":
        return End(supervisor, tuple((name, how) for name, how in what))
    if kind == "start":
        return StartChild(supervisor, _plan_from(what))
    return StopRequest(kind, supervisor, what)


def read() -> list[tuple[Story, str]]:
    with gzip.open(RECORDED, "rt") as file:
        return [(from_lists(story), trace) for story, trace in map(json.loads, file)]


def record(count: int) -> None:
    stories = [made_up(f"recorded {number}") for number in range(count)]
    lines = [
        json.dumps([as_lists(story), trace], separators=(",", ":")) + "\n"
        for story, trace in zip(stories, ask(stories), strict=True)
    ]
    with gzip.GzipFile(RECORDED, "wb", mtime=0) as file:
        file.write("".join(lines).encode())


if __name__ == "__main__":
    record(2_000)
