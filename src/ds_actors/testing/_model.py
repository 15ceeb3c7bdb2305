"""A tree of the pure machines, without trio: starts and stops take no time, and what happens is one line of text.

It is what a live tree, and Erlang's, are compared with.
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
    """What a supervisor that gave up tells its own."""


@define(eq=False)
class Supervised:
    """One supervisor of the model, in one of its lives."""

    plan: SupervisorPlan
    tree: Model
    supervision: Supervision
    plans: dict[str, Plan]
    kids: dict[str, Supervised | None] = field(factory=dict[str, "Supervised | None"])
    """The children that live; None is an actor."""
    queue: deque[events.Event] = field(factory=deque[events.Event])
    error: BaseException | None = None
    booted: bool = False
    halted: bool = False

    def run(self) -> None:
        """Handle what is queued until nothing is."""
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
        child: Supervised | None = None
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
            # Erlang's supervisor tells itself to try again, behind what it has been told already.
            self.queue.append(events.Ended(name, incarnation, CRASH))

    def _stop(self, name: str, incarnation: int) -> None:
        waiting = [one for one in self.queue if isinstance(one, events.Ended) and one.name == name]
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

    def _gone(self, name: str, child: Supervised) -> events.Ended:
        del self.kids[name]
        return events.Ended(name, self.supervision.children[name].incarnation, child.error)

    def settle(self) -> None:
        """Hear of the ends of supervisors below, at every depth, until nothing changes."""
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
        make: the machine; another one to show where Erlang's differs.
        giving_up_is_normal: to its parent, a supervisor that gave up has finished, as in OTP; here it crashed.
    """

    make: Callable[..., Supervision] = Supervision
    giving_up_is_normal: bool = False
    starts: dict[str, int] = field(factory=dict[str, int])
    log: list[str] = field(factory=list[str])
    """Starts (+), failed (!) and ignored ones (?), ends (x) and stops (-), in order."""

    def supervised(self, plan: SupervisorPlan) -> Supervised:
        """Return a new life of a supervisor."""
        supervision = self.make(plan.strategy, plan.max_restarts, 1e6, plan.auto_shutdown)
        for child in plan.children:
            supervision.adopt(rules(child))
        return Supervised(plan, self, supervision, {child.name: child for child in plan.children})

    def play(self, story: Story) -> list[str]:
        """Return a line for the start, one for each action, and one for the end: what came of it, the log, the tree."""
        self.log.append(f"+{story.tree.name}")
        root = self.supervised(story.tree)
        root.queue.append(events.Boot())
        root.settle()
        told = [self._told("ok" if root.booted else "failed", root)]
        if root.booted:
            told += [self._told(self.act(root, action), root) for action in story.actions]
            root.queue.append(events.Shutdown())
            root.settle()
            told.append(self._told("ok", root))
        return told

    def act(self, root: Supervised, action: Action) -> str:
        """Do it, and return how Erlang's supervisor would answer."""
        one = find(root, action.supervisor)
        if one is None:
            return "gone"
        answer = self._ask(one, action)
        root.settle()
        return answer

    def _ask(self, one: Supervised, action: Action) -> str:
        match action:
            case End(_, victims):
                for name, how in victims:
                    if name in one.kids:
                        self.log.append(f"x{name}")
                        number = one.supervision.children[name].incarnation
                        one.queue.append(events.Ended(name, number, CRASH if how == "crash" else None))
                        del one.kids[name]
                return "ok"
            case StartChild(_, plan):
                return self._start(one, plan)
            case StopRequest(kind, _, name):  # pragma: no branch - there are no others
                return self._request(one, kind, one.supervision.children.get(name), name)

    def _start(self, one: Supervised, plan: Plan) -> str:
        known = one.supervision.children.get(plan.name)
        if known is not None:
            return "already_present" if known.status is ChildStatus.DOWN else "already_started"
        one.plans[plan.name] = plan
        one.queue.append(events.Add(rules(plan)))
        return self._started(one, plan.name)

    def _started(self, one: Supervised, name: str) -> str:
        before = len(self.log)
        one.run()
        began = next(entry[0] for entry in self.log[before:] if entry[1:] == name)
        if began == "?":
            return "ignored"
        return "ok" if name in one.kids or one.supervision.phase is not Phase.RUNNING else "failed"

    def _request(self, one: Supervised, kind: str, child: Child | None, name: str) -> str:
        if child is None:
            return "not_found"
        if kind == "terminate":
            one.queue.append(events.Terminate(name))
            one.run()
            return "ok"
        if child.status is not ChildStatus.DOWN:
            return "restarting" if child.status is ChildStatus.WAITING else "running"
        if kind == "delete":
            one.queue.append(events.Delete(name))
            one.run()
            return "ok"
        one.queue.append(events.StartAgain(name))
        return self._started(one, name)

    def _told(self, answer: str, root: Supervised) -> str:
        log, self.log = " ".join(self.log), []
        return f"{answer};{log};{'dead' if root.halted else root}"


def find(root: Supervised, name: str) -> Supervised | None:
    """Return the supervisor of that name, if it lives."""
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
    """Return what the decisions need to know of a child."""
    backoff = ExponentialBackoff() if isinstance(plan, WorkerPlan) and plan.backoff else None
    return ChildRules(plan.name, plan.restart, backoff, significant=plan.significant)
