"""A tree of the pure state machines, without trio: starts and stops take no time, and each step is one line of text.

A live tree and Erlang's are compared with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from attrs import define, field

from ds_actors import _events as events
from ds_actors._backoff import ExponentialBackoff
from ds_actors._rules import Child, ChildRules, ChildStatus, Phase
from ds_actors._supervision import Supervision
from ds_actors.testing._stories import Action, End, Plan, StartChild, StopRequest, Story, SupervisorPlan, WorkerPlan

CRASH: Final = ValueError("crash")


class ModelGaveUp(Exception):
    """The error that a supervisor that gave up passes to its parent."""


@define(eq=False)
class ModelSupervisor:
    """One incarnation of a supervisor in the model."""

    plan: SupervisorPlan
    tree: Model
    supervision: Supervision
    plans: dict[str, Plan]
    kids: dict[str, ModelSupervisor | None] = field(factory=dict[str, "ModelSupervisor | None"])
    """The live children; None stands for an actor."""
    queue: deque[events.Event] = field(factory=deque[events.Event])
    error: BaseException | None = None
    booted: bool = False
    halted: bool = False

    def run(self) -> None:
        """Handle queued events until the queue is empty."""
        while self.queue:
            for effect in self.supervision.handle(self.queue.popleft(), 0.0):
                self._perform(effect)

    def _perform(self, effect: events.Effect) -> None:
        match effect:
            case events.Start(name, incarnation):
                self._start(name, incarnation)
            case events.Stop(name, incarnation):
                self._stop(name, incarnation)
            case events.Wake(name, incarnation):
                self.queue.append(events.Due(name, incarnation))
            case events.Booted():
                self.booted = True
            case events.BootFailed(_, error):
                self.error = error
            case events.GaveUp():
                self.error = None if self.tree.giving_up_is_normal else ModelGaveUp()
            case events.Halted():
                self.halted = True
            case _:
                pass

    def _start(self, name: str, incarnation: int) -> None:
        plan, tree = self.plans[name], self.tree
        number = tree.starts[name] = tree.starts.get(name, 0) + 1
        outcome = plan.outcomes[number - 1 : number] or "o"
        child: ModelSupervisor | None = None
        if outcome == "o" and isinstance(plan, SupervisorPlan):
            tree.log.append(f"+{name}")
            child = tree.supervised(plan)
            child.queue.append(events.Boot())
            child.run()
            outcome = "o" if child.booted else "f"
        else:
            tree.log.append({"o": "+", "f": "!", "i": "?"}[outcome] + name)
        if outcome == "o":
            self.kids[name] = child
            self.queue.appendleft(events.Ready(name, incarnation))
        elif outcome == "i":
            self.queue.appendleft(events.Ended(name, incarnation, ignored=True))
        elif self.supervision.children[name].origin is not None:
            self.queue.appendleft(events.Ended(name, incarnation, CRASH))
        else:
            # Erlang's supervisor sends itself a retry, which queues behind earlier messages.
            self.queue.append(events.Ended(name, incarnation, CRASH))

    def _stop(self, name: str, incarnation: int) -> None:
        waiting = [event for event in self.queue if isinstance(event, events.Ended) and event.name == name]
        if waiting:
            self.queue.remove(waiting[0])
            self.queue.appendleft(waiting[0])
            self.kids.pop(name, None)
            return
        child = self.kids.pop(name)
        if child is None:
            self.tree.log.append(f"-{name}")
        else:
            child.queue.append(events.Shutdown())
            child.run()
        self.queue.appendleft(events.Ended(name, incarnation))

    def _gone(self, name: str, child: ModelSupervisor) -> events.Ended:
        del self.kids[name]
        return events.Ended(name, self.supervision.children[name].incarnation, child.error)

    def settle(self) -> None:
        """Process the ends of the supervisors below, at every depth, until nothing changes."""
        while True:
            self.run()
            for name, child in list(self.kids.items()):
                if child is not None:
                    child.settle()
                    if child.halted:
                        self.queue.append(self._gone(name, child))
            if not self.queue:
                return

    def __str__(self) -> str:
        return f"{self.plan.name}({' '.join(map(self._shown, self.supervision.children))})"

    def _shown(self, name: str) -> str:
        if name not in self.kids:
            return name + "-"
        child = self.kids[name]
        return name if child is None else str(child)


@define(eq=False)
class Model:
    """Plays a story.

    Args:
        make: makes the state machine; a different one shows where Erlang's differs.
        giving_up_is_normal: report a supervisor that gave up to its parent as finished, as OTP does, not as crashed.
    """

    make: Callable[..., Supervision] = Supervision
    giving_up_is_normal: bool = False
    starts: dict[str, int] = field(factory=dict[str, int])
    log: list[str] = field(factory=list[str])
    """Starts (+), failed starts (!), ignored starts (?), ends (x) and stops (-), in order."""

    def supervised(self, plan: SupervisorPlan) -> ModelSupervisor:
        """Return a new incarnation of a supervisor."""
        supervision = self.make(plan.strategy, plan.max_restarts, 1e6, plan.auto_shutdown)
        for child in plan.children:
            supervision.adopt(rules(child))
        return ModelSupervisor(plan, self, supervision, {child.name: child for child in plan.children})

    def play(self, story: Story) -> list[str]:
        """Return a line for the start, for each action and for the end: the answer, the log, the tree."""
        self.log.append(f"+{story.tree.name}")
        root = self.supervised(story.tree)
        root.queue.append(events.Boot())
        root.settle()
        lines = [self._line("ok" if root.booted else "failed", root)]
        if root.booted:
            lines += [self._line(self.act(root, action), root) for action in story.actions]
            root.queue.append(events.Shutdown())
            root.settle()
            lines.append(self._line("ok", root))
        return lines

    def act(self, root: ModelSupervisor, action: Action) -> str:
        """Perform an action, and return the answer that Erlang's supervisor would give."""
        supervisor = find(root, action.supervisor)
        if supervisor is None:
            return "gone"
        answer = self._ask(supervisor, action)
        root.settle()
        return answer

    def _ask(self, supervisor: ModelSupervisor, action: Action) -> str:
        match action:
            case End(_, victims):
                for name, how in victims:
                    if name in supervisor.kids:
                        self.log.append(f"x{name}")
                        number = supervisor.supervision.children[name].incarnation
                        supervisor.queue.append(events.Ended(name, number, CRASH if how == "crash" else None))
                        del supervisor.kids[name]
                return "ok"
            case StartChild(_, plan):
                return self._start(supervisor, plan)
            case StopRequest(kind, _, name):  # pragma: no branch - there are no others
                return self._request(supervisor, kind, supervisor.supervision.children.get(name), name)

    def _start(self, supervisor: ModelSupervisor, plan: Plan) -> str:
        known = supervisor.supervision.children.get(plan.name)
        if known is not None:
            return "already_present" if known.status is ChildStatus.DOWN else "already_started"
        supervisor.plans[plan.name] = plan
        supervisor.queue.append(events.Add(rules(plan)))
        return self._started(supervisor, plan.name)

    def _started(self, supervisor: ModelSupervisor, name: str) -> str:
        before = len(self.log)
        supervisor.run()
        began = next(entry[0] for entry in self.log[before:] if entry[1:] == name)
        if began == "?":
            return "ignored"
        return "ok" if name in supervisor.kids or supervisor.supervision.phase is not Phase.RUNNING else "failed"

    def _request(self, supervisor: ModelSupervisor, kind: str, child: Child | None, name: str) -> str:
        if child is None:
            return "not_found"
        if kind == "terminate":
            supervisor.queue.append(events.Terminate(name))
            supervisor.run()
            return "ok"
        if child.status is not ChildStatus.DOWN:
            return "restarting" if child.status is ChildStatus.WAITING else "running"
        if kind == "delete":
            supervisor.queue.append(events.Delete(name))
            supervisor.run()
            return "ok"
        supervisor.queue.append(events.StartAgain(name))
        return self._started(supervisor, name)

    def _line(self, answer: str, root: ModelSupervisor) -> str:
        log, self.log = " ".join(self.log), []
        return f"{answer};{log};{'dead' if root.halted else root}"


def find(root: ModelSupervisor, name: str) -> ModelSupervisor | None:
    """Return the supervisor with that name, if it is alive."""
    if root.halted:
        return None
    if root.plan.name == name:
        return root
    for child in root.kids.values():
        found = find(child, name) if child is not None else None
        if found is not None:
            return found
    return None


def rules(plan: Plan) -> ChildRules:
    """Return the rules of a child."""
    backoff = ExponentialBackoff() if isinstance(plan, WorkerPlan) and plan.backoff else None
    return ChildRules(plan.name, plan.restart, backoff, significant=plan.significant)
