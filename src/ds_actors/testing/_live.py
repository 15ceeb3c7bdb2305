"""Plays a story with a live tree: real actors, a virtual clock, and a task order that one seed decides."""

from __future__ import annotations

import importlib
import random
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import trio
from attrs import define, field
from outcome import Error

from ds_actors._actor import Actor
from ds_actors._backoff import ExponentialBackoff
from ds_actors._errors import ActorStopped, Ignore, RestartLimitReached, StartFailed
from ds_actors._exits import Exit
from ds_actors._ref import ActorRef
from ds_actors._specs import ChildSpec, SupervisorSpec
from ds_actors._supervisor import Supervisor
from ds_actors._supervisor_ref import SupervisorRef
from ds_actors._telemetry import Node
from ds_actors.testing._leftovers import assert_no_leftover_tasks
from ds_actors.testing._stories import Action, End, Plan, StartChild, StopRequest, Story, WorkerPlan
from ds_actors.testing._time import run_virtual

# Long enough, in virtual seconds, for every start, stop and backoff that one action leads to.
_SETTLED: Final = 200.0
# The clock reaches this time only when a story hangs.
_FOR_EVER: Final = 1e6
_REFUSALS: Final[dict[type[Exception], str]] = {
    LookupError: "not_found",
    ValueError: "taken",
    RuntimeError: "running",
    StartFailed: "failed",
    ActorStopped: "stopped",
}
_WORDS: Final = {"+": "starts", "!": "fails to start", "?": "ignores its start", "x": "ends", "-": "stops"}


@define
class Stage:
    """Plays a story and records a timeline.

    Args:
        story: the story to play.
        dice: draws the durations of starts and stops, the jitter of backoffs, and the pauses of a hurried play.
        hurried: each action starts before the effects of the last one have ended.
    """

    story: Story
    dice: random.Random
    hurried: bool = False
    lines: list[str] = field(factory=list[str], init=False)
    """One line per step, in the form of the model."""
    timeline: list[tuple[float, str]] = field(factory=list[tuple[float, str]], init=False)
    _log: list[str] = field(factory=list[str], init=False)
    _starts: dict[str, int] = field(factory=dict[str, int], init=False)
    _alive: set[str] = field(factory=set[str], init=False)
    _twice: dict[str, None] = field(factory=dict[str, None], init=False)
    _refs: list[ActorRef[Any]] = field(factory=list[ActorRef[Any]], init=False)
    _stuck: str = field(default="", init=False)

    def play(self) -> None:
        """Play the story in its own trio run.

        Raises:
            AssertionError: two incarnations of a child were alive at once, or something outlived the tree.
        """
        try:
            run_virtual(self._play)
        except BaseException:
            if not self._stuck:
                raise
            raise AssertionError(f"deadlock; these tasks wait: {self._stuck}") from None

    async def _play(self) -> None:
        trio.lowlevel.spawn_system_task(self._break_out, trio.lowlevel.current_task())
        async with assert_no_leftover_tasks():
            try:
                await self._play_tree()
            except (RestartLimitReached, StartFailed) as error:
                self.note(str(error))
        assert not self._twice, f"two incarnations of {', '.join(self._twice)} lived at once"
        assert not self._alive, f"{', '.join(sorted(self._alive))} outlived the tree"
        assert all(ref.stopped for ref in self._refs), "a reference is not stopped, but its actor is gone"

    async def _play_tree(self) -> None:
        tree, answer = self.story.tree, "failed"
        self.log("+", tree.name)
        try:
            async with Supervisor(
                tree.name,
                tree.strategy,
                [self._spec(child) for child in tree.children],
                max_restarts=tree.max_restarts,
                within=1e6,
                auto_shutdown=tree.auto_shutdown,
                random=self.dice.random,
            ) as app:
                answer = "ok"
                await self._pass_time()
                self._tell(answer, app)
                for action in self.story.actions:
                    self.note(_said(action))
                    answer = "ok"
                    answer = await self._act(app, action)
                    await self._pass_time()
                    self._tell(answer, app)
                self.note("the block ends")
                answer = "ok"
        finally:
            self._tell(answer, None)

    async def _pass_time(self) -> None:
        await trio.sleep(self.dice.choice((0.0, 0.0, 0.01, 1.0)) if self.hurried else _SETTLED)

    # ---- what the actors report

    def note(self, what: str) -> None:
        """Record an event now."""
        self.timeline.append((trio.current_time(), what))

    def log(self, sign: str, name: str) -> None:
        """Record a start (+ ! ?), an end (x) or a stop (-)."""
        self._log.append(sign + name)
        self.note(
            {"+": "starts: ", "!": "fails to start: ", "?": "ignores: ", "x": "ends: ", "-": "stops: "}[sign] + name
        )

    def outcome(self, plan: Plan) -> str:
        """Return the outcome of this start of a child."""
        number = self._starts[plan.name] = self._starts.get(plan.name, 0) + 1
        return plan.outcomes[number - 1 : number] or "o"

    def lives(self, name: str) -> None:
        """Record that an incarnation is alive; two of one name are an error."""
        if name in self._alive:  # not raised here, where it would only be one more crash for a supervisor
            self._twice[name] = None
        self._alive.add(name)

    def gone(self, name: str) -> None:
        """Record that an incarnation ended."""
        self._alive.discard(name)

    async def takes_time(self) -> None:
        """Sleep for a random time, possibly zero."""
        await trio.sleep(self.dice.choice((0.0, 0.0, 0.01, 0.1, 1.0)))

    async def _break_out(self, main: trio.lowlevel.Task) -> None:
        await trio.sleep(_FOR_EVER)
        while True:  # until the main task ends, and this one with it: a task may wait again after the error
            tasks = [main]
            for task in tasks:
                tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
            self._stuck = self._stuck or ", ".join(task.name for task in tasks)
            for task in tasks:
                # The other tasks wait for these and end with them.
                if not any(nursery.child_tasks for nursery in task.child_nurseries):
                    trio.lowlevel.reschedule(task, Error(Deadlock()))
            await trio.sleep(1)

    # ---- the actions

    def _spec(self, plan: Plan) -> ChildSpec[str] | SupervisorSpec:
        if isinstance(plan, WorkerPlan):
            backoff = ExponentialBackoff(1.0, 4.0) if plan.backoff else None
            return ChildSpec(
                ScriptedActor,
                plan,
                self,
                name=plan.name,
                restart=plan.restart,
                significant=plan.significant,
                backoff=backoff,
                expected=(Exception,),
            )

        def children() -> Sequence[ChildSpec[Any] | SupervisorSpec]:
            ignored = self.outcome(plan) == "i"
            self.log("?" if ignored else "+", plan.name)
            if ignored:
                raise Ignore
            return [self._spec(child) for child in plan.children]

        return SupervisorSpec(
            plan.name,
            plan.strategy,
            children,
            plan.max_restarts,
            1e6,
            restart=plan.restart,
            significant=plan.significant,
            auto_shutdown=plan.auto_shutdown,
        )

    async def _act(self, app: Supervisor, action: Action) -> str:
        supervisor = _located(app, action.supervisor)
        if supervisor is None:
            return "gone"
        try:
            if isinstance(action, End):
                return self._end(supervisor, action)
            return await self._ask(supervisor, action)
        except tuple(_REFUSALS) as error:
            return _REFUSALS[type(error)]

    def _end(self, supervisor: SupervisorRef, action: End) -> str:
        for name, how in action.victims:
            try:
                ref = supervisor.find(name)
            except LookupError:
                continue
            assert isinstance(ref, ActorRef)
            ref.tell(how)
        return "ok"

    async def _ask(self, supervisor: SupervisorRef, action: Any) -> str:
        if isinstance(action, StartChild):
            ref: Any = await supervisor.start(self._spec(action.plan))
        elif action.kind == "restart":
            child: str = action.child
            ref = await supervisor.restart(child)
        elif action.kind == "terminate":
            await supervisor.terminate(action.child)
            return "ok"
        else:
            supervisor.delete(action.child)
            return "ok"
        if isinstance(ref, ActorRef):
            refs: list[Any] = self._refs
            refs.append(ref)
        # A temporary child that ignored its start has no spec any more; any other is at rest.
        return (
            "ok" if any(node.path == ref.path and node.status != "down" for node in supervisor.which()) else "ignored"
        )

    def _tell(self, answer: str, app: Supervisor | None) -> None:
        log, self._log = " ".join(self._log), []
        self.lines.append(f"{answer};{log};{'dead' if app is None else _shown(app.tree())}")


class Deadlock(BaseException):
    """Raised in every task that still waits in a deadlock; no cancel scope stops it."""


@define(eq=False)
class ScriptedActor(Actor[str]):
    """An actor that follows its plan and the story."""

    plan: WorkerPlan
    stage: Stage

    async def started(self) -> None:
        outcome = self.stage.outcome(self.plan)
        await self.stage.takes_time()
        self.stage.log({"o": "+", "f": "!", "i": "?"}[outcome], self.plan.name)
        if outcome == "i":
            raise Ignore
        if outcome == "f":
            raise OSError("refused")
        self.stage.lives(self.plan.name)

    async def receive(self, message: str, /) -> None:
        self.stage.log("x", self.plan.name)
        if message == "crash":
            raise ValueError("crash")
        self.context.stop()

    async def stopping(self, exit: Exit, /) -> None:  # noqa: A002 - the word of the field
        if exit.stopped and exit.crash is None:
            await self.stage.takes_time()
            self.stage.log("-", self.plan.name)
        self.stage.gone(self.plan.name)


def _located(app: SupervisorRef, name: str) -> SupervisorRef | None:
    """Return the supervisor with that name, if it is running."""
    if app.name == name:
        return app
    for node in app.which():
        if node.kind == "supervisor" and node.status == "running":
            inner = app.find(node.name)
            assert isinstance(inner, SupervisorRef)
            found = _located(inner, name)
            if found is not None:
                return found
    return None


def _shown(node: Node) -> str:
    if node.status in ("down", "waiting"):
        return node.name + "-"
    return node.name if node.kind == "actor" else f"{node.name}({' '.join(map(_shown, node.children))})"


def _said(action: Action) -> str:
    match action:
        case End(supervisor, victims):
            return f"{', '.join(f'{name} ({how})' for name, how in victims)} of {supervisor} end by themselves"
        case StartChild(supervisor, plan):
            return f"{supervisor} is asked to start {plan.name} ({plan.restart})"
        case StopRequest(kind, supervisor, child):  # pragma: no branch - there are no others
            return f"{supervisor} is asked to {kind} {child}"


@contextmanager
def trio_order(seed: str) -> Generator[None]:
    """Let the seed decide the order in which trio runs ready tasks.

    Trio's switch for this is private; in a version without it, the order is random.
    """
    scheduler: Any = importlib.import_module("trio._core._run")
    switch, dice = "_ALLOW_DETERMINISTIC_SCHEDULING", getattr(scheduler, "_r", random.Random())  # noqa: S311 - for tests
    before, state = getattr(scheduler, switch, False), dice.getstate()
    setattr(scheduler, switch, True)
    dice.seed(seed)
    try:
        yield
    finally:
        setattr(scheduler, switch, before)
        dice.setstate(state)
