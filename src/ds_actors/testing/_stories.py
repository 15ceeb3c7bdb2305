"""Random trees and actions on them, from one seed; plain data, so a story can be stored and shortened.

The pure state machines (`_model`), a live tree (`_replay`) and Erlang (tests/oracle) play the same stories.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from attrs import define, field, frozen

from ds_actors._rules import RESTARTS, AutoShutdown, Restart, Strategy

Outcome = Literal["o", "f", "i"]
"""The outcome of a start: ok, fails, is ignored."""


@frozen
class WorkerPlan:
    """One actor: `outcomes` are those of its first starts in the story; later starts are ok."""

    name: str
    restart: Restart = "permanent"
    significant: bool = False
    outcomes: str = ""
    backoff: bool = False
    """Restarted with its own backoff, which never gives up."""


@frozen
class SupervisorPlan:
    """One supervisor and its subtree; its `outcomes` are ok or ignored, since it fails only with its children."""

    name: str
    restart: Restart = "permanent"
    significant: bool = False
    outcomes: str = ""
    strategy: Strategy = "one_for_one"
    max_restarts: int = 1
    auto_shutdown: AutoShutdown = "never"
    children: tuple[WorkerPlan | SupervisorPlan, ...] = ()


Plan = WorkerPlan | SupervisorPlan


@frozen
class End:
    """These children of one supervisor crash or finish, in this order, before it is notified of any."""

    supervisor: str
    victims: tuple[tuple[str, Literal["crash", "finish"]], ...]


@frozen
class StopRequest:
    """A request to a supervisor to terminate, restart or delete a child."""

    kind: Literal["terminate", "restart", "delete"]
    supervisor: str
    child: str


@frozen
class StartChild:
    """A request to a supervisor to start another child."""

    supervisor: str
    plan: Plan


Action = End | StopRequest | StartChild


@frozen
class Story:
    """A tree, and the actions on it."""

    tree: SupervisorPlan
    actions: tuple[Action, ...]


def supervisors(plan: Plan) -> Iterator[SupervisorPlan]:
    """Yield every supervisor of a tree, the outer ones first."""
    if isinstance(plan, SupervisorPlan):
        yield plan
        for child in plan.children:
            yield from supervisors(child)


# Mostly options that keep a story going: a failing start or a child without restart ends most stories early.
_KINDS: Final[Sequence[Restart]] = ("permanent", "permanent", "transient", "transient", "temporary")
_GROUPS: Final[Sequence[Strategy]] = ("one_for_one", "one_for_all", "rest_for_one")
_OUTCOMES: Final = ("", "", "", "", "of", "off", "oi", "oofo", "offfo", "i", "f")


@define
class StoryGenerator:
    """Generates stories.

    Args:
        dice: the source of all random choices.
        depth: the most levels of supervisors.
        width: the most children of one supervisor.
        at_once: several children may end before their supervisor is notified of any.
        backoffs: give some children a backoff.
    """

    dice: random.Random
    depth: int = 3
    width: int = 4
    at_once: bool = True
    backoffs: bool = False
    _named: int = field(default=0, init=False)
    _parents: dict[str, list[str]] = field(factory=dict[str, list[str]], init=False)

    def story(self, length: int) -> Story:
        """Return a tree and `length` actions on it."""
        tree = self._supervisor(1, "permanent", significant=False, ignores=False)
        return Story(tree, tuple(self._action() for _ in range(length)))

    def _name(self, prefix: str) -> str:
        self._named += 1
        return f"{prefix}{self._named}"

    def _supervisor(self, level: int, restart: Restart, *, significant: bool, ignores: bool) -> SupervisorPlan:
        dice = self.dice
        name = self._name("s")
        auto: AutoShutdown = dice.choice(("never", "never", "any_significant", "all_significant"))
        # The outermost tree must start: a failing start would be a story of one line.
        careful = level == 1
        kids = [self._child(level, auto, careful=careful) for _ in range(dice.randint(1, self.width))]
        self._parents[name] = [kid.name for kid in kids]
        return SupervisorPlan(
            name,
            restart,
            significant,
            dice.choice(("", "", "", "oi", "i")) if ignores else "",
            dice.choice(_GROUPS),
            dice.choice((0, 1, 1, 2, 3, 5)),
            auto,
            tuple(kids),
        )

    def _child(self, level: int, auto: AutoShutdown, *, careful: bool) -> Plan:
        dice = self.dice
        restart = dice.choice(_KINDS)
        significant = auto != "never" and RESTARTS[restart].may_be_significant and dice.random() < 0.5
        if level < self.depth and dice.random() < 0.3:
            return self._supervisor(level + 1, restart, significant=significant, ignores=True)
        outcomes = dice.choice(_OUTCOMES)
        if careful and outcomes.startswith("f") and dice.random() < 0.8:
            outcomes = ""
        backoff = self.backoffs and dice.random() < 0.3
        return WorkerPlan(self._name("w"), restart, significant, outcomes, backoff)

    def _action(self) -> Action:
        dice = self.dice
        supervisor = dice.choice(list(self._parents))
        children = self._parents[supervisor]
        kind = dice.choice(("end",) * 8 + ("terminate", "terminate", "restart", "restart", "delete", "start"))
        workers = [name for name in children if name.startswith("w")]
        if kind == "start":
            taken = bool(workers) and dice.random() < 0.25
            name = dice.choice(workers) if taken else self._name("w")
            if not taken:
                children.append(name)
            return StartChild(supervisor, WorkerPlan(name, dice.choice(_KINDS), outcomes=dice.choice(_OUTCOMES)))
        if kind == "end" and workers:
            most = dice.choice((1, 1, 1, 2, 3)) if self.at_once else 1
            victims = dice.sample(workers, min(most, len(workers)))
            return End(supervisor, tuple((name, dice.choice(("crash", "crash", "finish"))) for name in victims))
        request: Literal["terminate", "restart", "delete"] = dice.choice(("terminate", "restart", "delete"))
        return StopRequest(request, supervisor, dice.choice(children))
