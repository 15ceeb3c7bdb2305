"""Replays whole random trees from one seed, and finds the shortest failing story."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import zip_longest

from attrs import evolve, frozen

from ds_actors.testing._live import Stage, trio_order
from ds_actors.testing._model import Model
from ds_actors.testing._stories import Plan, Story, StoryGenerator, SupervisorPlan, WorkerPlan

# Answers that a live tree does not distinguish.
_ANSWERS = {"already_present": "taken", "already_started": "taken", "restarting": "running"}


@frozen
class ReplayResult:
    """The result of a story."""

    story: Story
    problem: str
    """The problem found; empty when there is none."""
    timeline: tuple[tuple[float, str], ...]
    """The events with their times on the virtual clock (seconds)."""

    def __str__(self) -> str:
        lines = [f"{at:10.3f} s  {what}" for at, what in self.timeline]
        return "\n".join([*_drawn(self.story.tree, ""), *lines, *([self.problem] if self.problem else [])])


def replay(seed: int | str, *, length: int = 12, judge: Callable[[Story, Stage], str] | None = None) -> ReplayResult:
    """Play a random tree of actors, its crashes and requests, all decided by the seed: equal seeds give equal runs.

    The tree, what happens to it, how long starts and stops take, the jitter of backoffs and the order in which trio
    runs tasks come from the seed; the clock is virtual. Every second story waits after each action until all is quiet,
    and must then match the pure rules; the others hurry, and only have to end well: one incarnation of a child at
    a time, nothing left over.

    Args:
        seed: any number or text.
        length: the number of actions.
        judge: returns the problem of a played story, or ""; by default the rules above decide.

    Raises:
        AssertionError: with the shortest story that still fails, as a timeline.
    """
    dice = random.Random(f"replay {seed}")  # noqa: S311 - for tests
    hurried = dice.random() < 0.5
    story = StoryGenerator(dice, at_once=False, backoffs=True).story(length)

    def play(story: Story) -> ReplayResult:
        return _played(story, f"{seed}", hurried=hurried, judge=judge or (_end_well if hurried else _as_the_model))

    played = play(story)
    if not played.problem:
        return played
    shortest = _shortest(played, play)
    raise AssertionError(f"seed {seed!r}, shortened as far as possible:\n{shortest}")


def _played(story: Story, seed: str, *, hurried: bool, judge: Callable[[Story, Stage], str]) -> ReplayResult:
    stage = Stage(story, random.Random(f"stage {seed}"), hurried)  # noqa: S311 - for tests
    try:
        with trio_order(f"order {seed}"):
            stage.play()
        problem = judge(story, stage)
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        problem = f"{type(error).__name__}: {error}"
    return ReplayResult(story, problem, tuple(stage.timeline))


def _end_well(_story: Story, _stage: Stage) -> str:
    return ""  # the stage has checked it


def _as_the_model(story: Story, stage: Stage) -> str:
    """Compare a live tree with the rules, step by step."""
    expected = [_comparable(line) for line in Model().play(story)]
    actual = [*stage.lines]
    # A tree that ended by itself has no further lines.
    while len(expected) > 1 and expected[-1].split(";")[1] == "" and expected[-2].endswith(";dead"):
        expected.pop()
    for number, (mine, theirs) in enumerate(zip_longest(expected, actual, fillvalue="nothing more")):
        if mine != theirs:
            return f"step {number}:\n  the rules say {mine}\n  the tree did   {theirs}"
    return ""


def _comparable(line: str) -> str:
    answer, log, tree = line.split(";")
    return f"{_ANSWERS.get(answer, answer)};{log};{tree}"


def _shortest(played: ReplayResult, play: Callable[[Story], ReplayResult]) -> ReplayResult:
    """Remove every part without which the story still fails."""
    while True:
        for story in _shorter(played.story):
            again = play(story)
            if again.problem:
                played = again
                break
        else:
            return played


def _shorter(story: Story) -> Iterator[Story]:
    for n in reversed(range(len(story.actions))):
        yield evolve(story, actions=(*story.actions[:n], *story.actions[n + 1 :]))
    for tree in _smaller(story.tree):
        yield evolve(story, tree=tree)


def _smaller(plan: SupervisorPlan) -> Iterator[SupervisorPlan]:
    for n, child in enumerate(plan.children):
        rest = (*plan.children[:n], *plan.children[n + 1 :])
        yield evolve(plan, children=rest)
        simpler: list[Plan] = []
        if isinstance(child, SupervisorPlan):
            simpler += _smaller(child)
        elif child.outcomes or child.backoff or child.significant:
            simpler.append(WorkerPlan(child.name, child.restart))
        for simplified in simpler:
            yield evolve(plan, children=(*plan.children[:n], simplified, *plan.children[n + 1 :]))


def _drawn(plan: Plan, indent: str) -> list[str]:
    notes: list[str] = [plan.restart]
    notes += ["significant"] if plan.significant else []
    notes += [f"starts: {plan.outcomes}"] if plan.outcomes else []
    if isinstance(plan, WorkerPlan):
        return [f"{indent}{plan.name}: {', '.join([*notes, *(['backoff'] if plan.backoff else [])])}"]
    notes += [plan.strategy, f"max_restarts={plan.max_restarts}"]
    notes += [f"auto_shutdown={plan.auto_shutdown}"] if plan.auto_shutdown != "never" else []
    lines = [f"{indent}{plan.name}: {', '.join(notes)}"]
    for child in plan.children:
        lines += _drawn(child, indent + "  ")
    return lines
