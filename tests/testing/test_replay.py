"""Random trees from one seed: deterministic, equal to the rules, and shortened on failure."""

from __future__ import annotations

import random

import pytest

from ds_actors._rules import Child, ChildStatus, Restart
from ds_actors._supervision import Supervision
from ds_actors._supervisor_incarnation import SupervisorIncarnation
from ds_actors.testing import replay
from ds_actors.testing._live import Stage
from ds_actors.testing._replay import _as_the_model
from ds_actors.testing._stories import StartChild, Story, StoryGenerator, SupervisorPlan, WorkerPlan


@pytest.mark.parametrize("tens", range(20))
def test_live_trees_do_as_the_rules_say(tens: int) -> None:
    """Actors end at random; who survives, who starts and who stops, step by step, is what the pure machines say."""
    for seed in range(10 * tens, 10 * tens + 10):
        replay(seed)


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_a_start_that_is_ignored_is_answered_as_the_rules_say(restart: Restart) -> None:
    """Whether a spec of the child stays or not."""
    story = Story(SupervisorPlan("s1"), (StartChild("s1", WorkerPlan("w1", restart, outcomes="i")),))
    stage = Stage(story, random.Random(0))
    stage.play()
    assert _as_the_model(story, stage) == ""
    assert stage.lines[1].startswith("ignored;")


def test_the_same_seed_is_the_same_story() -> None:
    """To the order of tasks and the last digit of the clock."""
    assert [str(replay(seed)) for seed in range(8)] == [str(replay(seed)) for seed in range(8)]


def test_what_goes_wrong_is_cut_to_what_is_needed() -> None:
    """With every end by itself declared a failure, one actor and one end are left of the story."""

    def no_child_ends(_story: Story, stage: Stage) -> str:
        return "somebody ended" if any(what.startswith("ends:") for _, what in stage.timeline) else ""

    with pytest.raises(AssertionError, match="somebody ended") as caught:
        replay(1, judge=no_child_ends)
    told = str(caught.value)
    assert told.count("end by themselves") == 1
    assert len(told.splitlines()) <= 10, told


def test_a_wrong_rule_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live tree whose machine forgets the order of stops differs from the model, and the story says where."""

    class Forgetful(Supervision):
        __slots__ = ()

        def _wait_for(self, child: Child, cause: Child) -> None:
            super()._wait_for(child, cause)
            if child.rules.restart == "transient":
                child.status = ChildStatus.DOWN

    monkeypatch.setattr("ds_actors._supervisor_incarnation.Supervision", Forgetful)
    problems: list[str] = []
    for seed in range(60):
        try:
            replay(seed)
        except AssertionError as error:
            problems.append(str(error))
    assert any("the rules say" in problem for problem in problems)


def test_a_story_that_hangs_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree that never ends is stopped, and the waiting tasks are named."""

    def deaf(_life: SupervisorIncarnation, _deadline: float, *, again: bool = False) -> None:
        pass

    monkeypatch.setattr(SupervisorIncarnation, "stop", deaf)
    with pytest.raises(AssertionError, match=r"deadlock; these tasks wait: .*_play"):
        replay(3)


def test_what_outlives_the_tree_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An incarnation that never ends is named, and so is a second one at the same time."""

    def not_gone(_stage: Stage, _name: str) -> None:
        pass

    monkeypatch.setattr(Stage, "gone", not_gone)
    problems: list[str] = []
    for seed in range(20):
        story = StoryGenerator(random.Random(seed), at_once=False, backoffs=True).story(12)
        with pytest.raises(AssertionError) as caught:
            Stage(story, random.Random(seed)).play()
        problems.append(str(caught.value))
    assert any(problem.endswith("outlived the tree") for problem in problems)
    assert any(problem.endswith("lived at once") for problem in problems)


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_ends_a_replay_and_is_no_problem_of_the_story(ending: type[BaseException]) -> None:
    """It comes out as it is, and nothing is cut short."""
    played: list[Story] = []

    def ends(story: Story, _stage: Stage) -> str:
        played.append(story)
        raise ending

    with pytest.raises(ending):
        replay(1, judge=ends)
    assert len(played) == 1
