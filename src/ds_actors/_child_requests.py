"""What a program asks of a running supervisor: to start, restart, terminate or delete a child."""

from __future__ import annotations

from typing import Any

import trio

from ds_actors import _events as events
from ds_actors._child_link import ChildLink
from ds_actors._errors import ActorStopped, StartFailed
from ds_actors._incarnation import Incarnation
from ds_actors._rules import ChildStatus, Phase
from ds_actors._specs import ChildSpec, SupervisorSpec
from ds_actors._supervisor_incarnation import SupervisorIncarnation

_CALLED_OFF_WITHIN = 6.0
"""Seconds that a called-off start waits for the end of its child, where it cannot be cancelled at once."""


class ChildRequests:
    """Turns requests into events for a supervisor, and waits for what comes of them."""

    def __init__(self, parent: SupervisorIncarnation) -> None:
        self._parent = parent

    async def start(self, spec: ChildSpec[Any] | SupervisorSpec) -> ChildLink:
        """Start one more child and wait until it is ready."""
        await self._accept_starts()
        most = self._parent.spec.max_children
        if most is not None and len(self._parent.links) >= most:
            raise StartFailed(f"{self._parent.path} has its {most} children already")
        name = self._parent.maker.name_for(spec, self._parent.supervision.children)
        link = self._parent.maker.link_for(spec, name)
        rules = spec.rules(name)
        self._parent.supervision.check(rules)
        self._parent.links[name] = link
        return await self._requested(link, events.Add(rules))

    async def restart(self, name: str) -> ChildLink:
        """Start a child that is at rest and wait until it is ready."""
        await self._accept_starts()
        self._refuse_unless_at_rest(name, "started again")
        return await self._requested(self._parent.known(name), events.StartAgain(name))

    def delete(self, name: str) -> None:
        """Forget a child that is at rest."""
        self._refuse_unless_at_rest(name, "deleted")
        self._parent.feed(events.Delete(name))

    def _refuse_unless_at_rest(self, name: str, what: str) -> None:
        self._parent.known(name)
        status = self._parent.supervision.children[name].status
        if status is not ChildStatus.DOWN:
            raise RuntimeError(
                f"{self._parent.maker.child_path(name)} is {status.value}; only a child at rest can be {what}"
            )

    async def _accept_starts(self) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()  # a start that needs no turn cannot be cancelled later
        if self._parent.supervision.starts_in_order:
            self._refuse_from_start()
            self._refuse_while_stopping()
        if self._parent.supervision.phase is Phase.BOOTING:
            await self._parent.booted.wait()
        if self._parent.supervision.phase is not Phase.RUNNING:
            raise ActorStopped(f"{self._parent.path} is stopping")

    @trio.lowlevel.enable_ki_protection
    async def _requested(self, link: ChildLink, request: events.Event) -> ChildLink:
        decided = trio.Event()
        asker = trio.lowlevel.current_task()
        link.waiter, link.asker, link.ready, link.rested = decided, asker, False, False
        self._parent.asking[asker] = link
        self._parent.feed(request)
        path = link.cell.path
        try:
            if decided.is_set():
                await trio.lowlevel.cancel_shielded_checkpoint()
            else:
                await decided.wait()
        except BaseException:
            await self._call_off(link)
            raise
        if link.ready or (link.rested and link.why == events.IGNORED):
            return link
        if link.rested and link.why == events.START_FAILED:
            raise StartFailed(f"{path} did not start") from link.failure
        if link.rested:
            raise ActorStopped(f"{path} was stopped before it was ready") from link.failure
        await self._call_off(link)
        raise ActorStopped(f"{path} was not started: the actor that asked for it is being stopped")

    async def _call_off(self, link: ChildLink) -> None:
        """End a child whose start is not wanted any more, and wait until its name is free, except during a round."""
        parent, name = self._parent, link.cell.name
        if parent.links.get(name) is not link:
            return  # it has failed by itself, and the name may belong to another child
        parent.feed(events.Terminate(name))
        incarnation = link.incarnation
        if incarnation is None or parent.supervision.starts_in_order:
            return  # a round may wait for the caller of this
        if isinstance(incarnation, Incarnation) and not incarnation.ready:
            incarnation.kill()  # nothing of it was ever in use
        link.gone = link.gone or trio.Event()
        with trio.move_on_after(min(link.spec.grace + 1.0, _CALLED_OFF_WITHIN), shield=True):
            await link.gone.wait()

    def _refuse_while_stopping(self) -> None:
        # In a round, what an actor asks for waits until the actor itself has stopped.
        task = trio.lowlevel.current_task()
        for name, link in self._parent.links.items():
            if self._parent.supervision.children[name].status is ChildStatus.STOPPING and link.is_run_by(task):
                raise ActorStopped(f"{link.cell.path} is being stopped, and must not wait for its siblings")

    def _refuse_from_start(self) -> None:
        # In a round each child waits for the one before it, so a started() that waits for a sibling would wait forever.
        task = trio.lowlevel.current_task()
        if any(link.is_run_by(task, starting=True) for link in self._parent.links.values()):
            raise RuntimeError(
                f"{self._parent.path} is still starting its children, so started() must not wait for a further one;"
                " start it in a task: self.context.spawn(...)"
            )

    async def terminate(self, name: str) -> None:
        """Stop a child in order and wait until it is gone."""
        link = self._parent.known(name)
        if link.is_run_by(trio.lowlevel.current_task()):
            raise RuntimeError(
                f"{link.cell.path} must not be stopped from within and waited for; use self.context.stop()"
            )
        if self._parent.supervision.starts_in_order:
            self._refuse_while_stopping()
        self._parent.feed(events.Terminate(name))
        if link.incarnation is not None:
            if link.gone is None:
                link.gone = trio.Event()
            await link.gone.wait()
