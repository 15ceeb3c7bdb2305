"""The table of docs/guide/shutdown.md: which hooks run, in which order, for each way an incarnation ends."""

from __future__ import annotations

import contextlib

import pytest
import trio

from ds_actors import Actor, ChildSpec, Exit, Ignore, StartFailed, Supervisor

START_ENDS = ["start raises", "start hangs", "start is ignored"]


class Hooked(Actor[str]):
    """Logs what runs; it has a spawned task, and `stopping` spawns another one."""

    def __init__(self, end: str, log: list[str]) -> None:
        self.end = end
        self.log = log

    async def task(self, name: str) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.log.append(f"{name} cancelled")

    async def failing(self) -> None:
        raise LookupError

    async def started(self) -> None:
        self.context.spawn(self.task, "task")
        await trio.lowlevel.checkpoint()
        match self.end:
            case "start raises":
                raise OSError
            case "start hangs":
                await trio.sleep_forever()
            case "start is ignored":
                raise Ignore
            case _:
                self.log.append("started")

    async def receive(self, message: str, /) -> None:
        try:
            match message:
                case "crash":
                    raise ValueError
                case "task crashes":
                    self.context.spawn(self.failing)
                    await trio.sleep_forever()
                case "finish":
                    self.context.stop()
                    await trio.sleep(1)
                case "exit":
                    raise SystemExit
                case "hang":
                    await trio.sleep_forever()
                case _:
                    await trio.sleep(1)
            self.log.append(message)
        except trio.Cancelled:
            self.log.append("receive cancelled")
            raise

    async def stopping(self, exit: Exit, /) -> None:
        self.log.append(f"stopping: {exit.kind}")
        self.context.spawn(self.task, "last task")
        await trio.sleep(1)
        self.log.append("stopping returns")


async def log_of(end: str, *, grace: float = 5.0, drain: bool = False) -> list[str]:
    """Run one incarnation until it ends in the given way, and return what it logged."""
    log: list[str] = []
    with contextlib.suppress(SystemExit):
        async with Supervisor("app", "dynamic") as app:
            plan = ChildSpec(
                Hooked,
                end,
                log,
                restart="temporary",
                grace=grace,
                drain=drain,
                start_timeout=2,
                expected=(ValueError, LookupError, OSError, TimeoutError),
            )
            try:
                ref = await app.start(plan)
            except StartFailed:
                log.append("StartFailed")
                return log
            if end != "idle":
                ref.tell(end)
                ref.tell("queued")
                await trio.testing.wait_all_tasks_blocked()
            if end in ("idle", "busy", "hang"):
                await app.terminate(ref)
            await ref.wait_stopped()
            assert app.count().specs == 0
    return log


@pytest.mark.parametrize("end", START_ENDS)
async def test_a_start_that_does_not_succeed_cancels_its_tasks_and_calls_no_stopping(
    end: str, autojump_clock: object
) -> None:
    """Whether it raises, takes too long, or is ignored."""
    failed = [] if end == "start is ignored" else ["StartFailed"]
    assert await log_of(end) == ["task cancelled", *failed]


@pytest.mark.parametrize(
    ("end", "in_hand", "kind"),
    [
        ("crash", [], "crashed"),
        ("task crashes", ["receive cancelled"], "crashed"),
        ("finish", ["finish"], "finished"),
        ("busy", ["busy"], "stopped"),
        ("idle", [], "stopped"),
        ("exit", [], "crashed"),
    ],
)
async def test_tasks_are_cancelled_between_the_message_in_hand_and_stopping(
    end: str, in_hand: list[str], kind: str, autojump_clock: object
) -> None:
    """However the incarnation ends; and a task that `stopping` spawned ends when it returns."""
    log = await log_of(end)
    stopping = [f"stopping: {kind}", "stopping returns", "last task cancelled"]
    assert log == ["started", *in_hand, "task cancelled", *stopping]


async def test_draining_handles_the_queue_before_the_tasks_are_cancelled(autojump_clock: object) -> None:
    """A stop by the supervisor finishes what is queued, while the tasks still run."""
    log = await log_of("busy", drain=True)
    assert log[:4] == ["started", "busy", "queued", "task cancelled"]


async def test_after_the_grace_stopping_is_called_and_cancelled_at_its_first_await(autojump_clock: object) -> None:
    """The message in hand and the tasks are cancelled before."""
    log = await log_of("hang", grace=3.0)
    tasks = ["receive cancelled", "task cancelled"]
    assert log[0] == "started"
    assert sorted(log[1:3]) == tasks
    assert log[3:] == ["stopping: stopped", "last task cancelled"]


@pytest.mark.parametrize("end", ["idle", "hang"])
async def test_a_grace_of_zero_cancels_the_message_and_the_tasks_only(end: str, autojump_clock: object) -> None:
    """When the supervisor stops the child."""
    log = await log_of(end, grace=0)
    assert sorted(log) == [*(["receive cancelled"] if end == "hang" else []), "started", "task cancelled"]
