"""Whole random trees from one seed, and the shortest story that goes wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import zip_longest

from attrs import evolve, frozen

from ds_actors.testing._live import Stage, trio_order
from ds_actors.testing._model import Model
from ds_actors.testing._stories import Plan, Story, SupervisorPlan, Teller, WorkerPlan

# What a live tree does not tell apart.
_ANSWERS = {"already_present": "taken", "already_started": "taken", "restarting": "running"}


@frozen
class Played:
    """What came of a story."""

    story: Story
    problem: str
    """What is wrong; empty when nothing is."""
    timeline: tuple[tuple[float, str], ...]
    """What happened when, on the virtual clock (seconds)."""

    def __str__(self) -> str:
        told = [f"{at:10.3f} s  {what}" for at, what in self.timeline]
        return "\n".join([*_drawn(self.story.tree, ""), *told, *([self.problem] if self.problem else [])])


def replay(seed: int | str, *, length: int = 12, judge: Callable[[Story, Stage], str] | None = None) -> Played:
    """Play a random tree of actors, its crashes and requests, all decided by the seed; the same each time.

    The tree, what happens to it, how long starts and stops take, the jitter of backoffs and the order in which trio
    runs tasks come from the seed; the clock is virtual. Every second story waits after each action until all is quiet,
    and must then stand as the pure rules say; the others hurry, and must only end well: one incarnation of a child at
    a time, nothing left over.

    Args:
        seed: any number or text.
        length: how many things happen.
        judge: says what is wrong with a story that was played, or nothing (""); by default the rules above.

    Raises:
        AssertionError: with the shortest story that still goes wrong, as a timeline.
    """
    dice = random.Random(f"replay {seed}")  # noqa: S311 - for tests
    hurried = dice.random() < 0.5
    story = Teller(dice, at_once=False, backoffs=True).story(length)

    def play(one: Story) -> Played:
        return _played(one, f"{seed}", hurried=hurried, judge=judge or (_end_well if hurried else _as_the_model))

    played = play(story)
    if not played.problem:
        return played
    shortest = _shortest(played, play)
    raise AssertionError(f"seed {seed!r}, cut to what is needed:\n{shortest}")


def _played(story: Story, seed: str, *, hurried: bool, judge: Callable[[Story, Stage], str]) -> Played:
    stage = Stage(story, random.Random(f"stage {seed}"), hurried)  # noqa: S311 - for tests
    try:
        with trio_order(f"order {seed}"):
            stage.play()
        problem = judge(story, stage)
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        problem = f"{type(error).__name__}: {error}"
    return Played(story, problem, tuple(stage.timeline))


def _end_well(_story: Story, _stage: Stage) -> str:
    return ""  # the stage itself has checked


def _as_the_model(story: Story, stage: Stage) -> str:
    """Compare what a live tree did, step by step, with what the rules say."""
    expected = [_comparable(line) for line in Model().play(story)]
    actual = [*stage.lines]
    # A tree that ended by itself hears nothing more: its last line is the end, and the rest is silence.
    while len(expected) > 1 and expected[-1].split(";")[1] == "" and expected[-2].endswith(";dead"):
        expected.pop()
    for number, (mine, theirs) in enumerate(zip_longest(expected, actual, fillvalue="nothing more")):
        if mine != theirs:
            return f"step {number}:\n  the rules say {mine}\n  the tree did   {theirs}"
    return ""


def _comparable(line: str) -> str:
    answer, log, tree = line.split(";")
    return f"{_ANSWERS.get(answer, answer)};{log};{tree}"


def _shortest(played: Played, play: Callable[[Story], Played]) -> Played:
    """Leave out whatever can be left out, as long as something goes wrong."""
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
        for one in simpler:
            yield evolve(plan, children=(*plan.children[:n], one, *plan.children[n + 1 :]))


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
