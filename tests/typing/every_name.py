"""Every public name of `ds_actors`, used as a program would use it.

Checked by `test_typing_api.py`, never run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from signal import SIGHUP, Signals
from typing import Any, ClassVar, assert_type

from attrs import define, frozen

import ds_actors
from ds_actors import (
    EMPTY,
    Actor,
    ActorError,
    ActorRef,
    ActorStopped,
    Answer,
    AskDropped,
    AskFailed,
    AskTimeout,
    Backoff,
    ChildEnded,
    ChildReady,
    ChildSpec,
    Conflate,
    Context,
    Counts,
    DeadLetter,
    DeferredReply,
    Down,
    DropOldest,
    Dropped,
    Empty,
    Exit,
    ExponentialBackoff,
    Failure,
    Group,
    Ignore,
    Inbox,
    Latest,
    Mailbox,
    MailboxStatistics,
    Node,
    PoolRef,
    PoolSpec,
    Refused,
    Reject,
    Request,
    RestartLimitReached,
    RestartScheduled,
    SendDropped,
    Spec,
    StartFailed,
    Supervisor,
    SupervisorGaveUp,
    SupervisorRef,
    SupervisorSpec,
    TelemetryEvent,
)
from ds_actors.asyncio import LoopBridge, LoopClosed, SupervisorThread, TreeEnded, TrioThread
from ds_actors.opentelemetry import TracedMailbox, traced
from ds_actors.processes import (
    LineMatches,
    PortOpens,
    Program,
    ProgramActor,
    ProgramEnded,
    ProgramNotStarted,
    Ready,
)


@frozen
class Total(Request[int]):
    pass


@frozen
class Gone:
    why: str


@define(eq=False)
class Counter(Actor["int | Total | Gone"]):
    watched: ActorRef[str] | SupervisorRef
    later: DeferredReply[int] | None = None

    async def started(self) -> None:
        if not self.watched.path:
            raise Ignore
        self.context.watch(self.watched, on_down=self.gone)
        self.context.spawn(self.work, 1.0)
        self.context.send_after(1, 2)
        self.context.send_every(1, 3).cancel()

    def gone(self, down: Down) -> Gone:
        return Gone(f"{down.path} {down.why} {down.error}")

    async def work(self, seconds: float) -> None:
        await self.context.wait_stop_requested()

    async def receive(self, message: int | Total | Gone, /) -> Answer | None:
        if isinstance(message, Total):
            self.later = self.context.defer(message)
            self.later.answer(1)
        else:
            self.context.unwatch(self.watched)
            self.context.mark_unproven()
            self.context.mark_healthy()
            self.context.stop()
        return None

    async def stopping(self, exit: Exit, /) -> None:
        assert_type(exit.kind, str)


class Loop(Actor[str]):
    async def run(self) -> None:
        context: Context[str] = self.context
        inbox: Inbox[str] = self.inbox
        assert_type(context.supervisor, SupervisorRef)
        async for message in inbox:
            assert_type(message, str)


class Newest:
    """A mailbox of your own."""

    timed: ClassVar[bool] = False

    def put(self, message: str, now: float, /) -> Dropped[str] | None:
        return Refused(message, "always")

    def has_room(self, message: str, /) -> bool:
        return False

    def take(self, now: float, /) -> str | Empty:
        return EMPTY

    def settle(self, message: str, now: float, /) -> None: ...
    def interrupted(self, now: float, /) -> Iterable[Dropped[str]]:
        return ()

    def close(self, now: float, /) -> Iterable[str]:
        return ()

    def statistics(self) -> MailboxStatistics:
        return MailboxStatistics(capacity=1)


class Fixed:
    """A backoff of your own."""

    def delay(self, failures: Sequence[Failure], u: float) -> float:
        return sum(failure.lived for failure in failures) + u


def specs() -> list[Spec]:
    mailbox: Mailbox[str] = Newest()
    backoff: Backoff = Fixed()
    return [
        ChildSpec(Loop, name="own", mailbox=lambda: mailbox, backoff=backoff),
        ChildSpec(Loop, name="exponential", backoff=ExponentialBackoff(base=1)),
        ChildSpec(Loop, name="reject", mailbox=lambda: Reject[Any](3)),
        ChildSpec(Loop, name="oldest", mailbox=lambda: DropOldest[Any](3)),
        ChildSpec(Loop, name="latest", mailbox=Latest),
        ChildSpec(Loop, name="conflate", mailbox=lambda: Conflate[Any](str)),
        SupervisorSpec("inner", "dynamic"),
    ]


def note(event: TelemetryEvent) -> str:
    match event:
        case ChildReady(path, _) | ChildEnded(path, _, _, _) | RestartScheduled(path, _, _):
            return path
        case SupervisorGaveUp(_, child, _):
            return child
        case DeadLetter(path, _, _):  # pragma: no branch - there are no others
            return path


async def main() -> str:
    try:
        async with Supervisor("app", children=specs, listeners=(note,)) as app:
            loop = await app.start(Loop)
            counter = await app.start(Counter, loop, name="counter")
            assert_type(counter, ActorRef[int | Total | Gone])
            assert_type(await counter.ask(Total(), timeout=1), int)
            await counter.send(1)
            assert_type(app.count(), Counts)
            assert_type(app.tree(), Node)
            assert_type(app.get_childspec(loop), ChildSpec[Any] | SupervisorSpec)
            await app.terminate(counter)
    except (AskDropped, AskFailed, AskTimeout, SendDropped, ActorStopped, StartFailed, RestartLimitReached) as error:
        return str(error)
    except ActorError:
        raise
    return ds_actors.__version__


def publish_to(group: Group[int], counter: ActorRef[int | Total | Gone]) -> list[ActorRef[int]]:
    group.join(counter)
    assert_type(group.publish(1), int)
    group.leave(counter)
    return list(group)


def kind_of(message: int | Total | Gone) -> str:
    return type(message).__name__


async def start_pool(app: Supervisor, worker: ChildSpec[int | Total | Gone]) -> int:
    pool = await app.start(PoolSpec("pool", worker, 4, route=kind_of))
    assert_type(pool, PoolRef[int | Total | Gone])
    pool.tell(1)
    assert_type(pool.statistics(), MailboxStatistics)
    return await pool.ask(Total(), timeout=1)


def in_time(error: Exception) -> bool:
    return isinstance(error, ProgramNotStarted) or (isinstance(error, ProgramEnded) and error.code == 1)


async def run_programs(app: Supervisor) -> None:
    ready: Ready = LineMatches("up")
    web = await app.start(ProgramActor, Program(["web"], {"PORT": "80"}, "/srv", ready=ready), name="web", grace=9)
    assert_type(web, ActorRef[Signals])
    web.tell(SIGHUP)
    assert_type(ChildSpec(ProgramActor, Program(["db"], ready=PortOpens(5432))), ChildSpec[Signals])


def tracing() -> ChildSpec[str]:
    mailbox: TracedMailbox[str] = traced(spans=True)()
    return ChildSpec(Loop, mailbox=lambda: mailbox)


async def on_loop(number: int) -> str:
    return str(number)


async def beside_asyncio(counter: ActorRef[int | Total | Gone]) -> int:
    bridge = LoopBridge()
    thread: TrioThread = TrioThread()
    try:
        async with SupervisorThread(Supervisor("app"), bridge=bridge) as app:
            app.tell(counter, 3)
            text: str = await app.run(app.bridge.call, on_loop, 3)
            names: str = await app.run_sync(lambda: str(thread))
            started: ActorRef[str] = await app.run(lambda: app.supervisor.start(Loop))
            app.tell(started, text + names)
            return await app.ask(counter, Total(), timeout=1)
    except (TreeEnded, LoopClosed):
        pass
    return 0
