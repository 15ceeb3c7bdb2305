"""A supervised tree as a block on an asyncio loop: what crosses, what ends it, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.lowlevel
from attrs import define, field, frozen
from waiting import until_on_loop

from ds_actors import (
    Actor,
    ActorRef,
    ActorStopped,
    Answer,
    AskDropped,
    AskTimeout,
    ChildSpec,
    Exit,
    Reject,
    Request,
    RestartLimitReached,
    StartFailed,
    Supervisor,
)
from ds_actors.asyncio import LoopBridge, LoopClosed, SupervisorThread, TreeEnded


@frozen
class Add:
    amount: int


class Total(Request[int]):
    pass


class Never(Request[int]):
    pass


@frozen
class Fail:
    error: BaseException


@define
class Counter(Actor[Add | Total | Never | Fail]):
    count: int = 0
    kept: list[Any] = field(factory=list[Any])

    async def receive(self, message: Add | Total | Never | Fail, /) -> Answer | None:
        match message:
            case Add(amount):
                self.count += amount
            case Total():
                return message.answer(self.count)
            case Never():
                self.kept.append(self.context.defer(message))
            case Fail(error):
                raise error
        return None


CounterRef = ActorRef[Add | Total | Never | Fail]


@asynccontextmanager
async def counting(**options: Any) -> AsyncGenerator[tuple[SupervisorThread, CounterRef]]:
    """Run a tree with a counter."""
    async with SupervisorThread(Supervisor("app", **options)) as app:
        yield app, await app.run(lambda: app.supervisor.start(Counter))


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it on a loop, after which neither a task nor a thread of the tree may be left."""

    async def checked() -> None:
        await main
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await until_on_loop(lambda: not any(thread.name.startswith("ds-actors") for thread in threading.enumerate()))

    asyncio.run(checked())


def test_the_loop_tells_and_asks_actors() -> None:
    """Messages keep their order; `run` calls everything else of the tree."""

    async def main() -> None:
        async with counting() as (app, counter):
            for amount in range(100):
                app.tell(counter, Add(amount))
            assert await app.ask(counter, Total(), timeout=5) == 4_950
            assert str(await app.run_sync(app.supervisor.tree)).endswith("Counter running")
            await app.run(trio.sleep, 0)

    run(main())


def test_the_loop_is_not_blocked_while_trio_is_busy() -> None:
    """A tell and the start of an ask return at once; the reply comes when trio has time."""

    async def main() -> None:
        async with counting() as (app, counter):
            blocked, free = threading.Event(), threading.Event()

            def block() -> None:
                blocked.set()
                free.wait(30)

            busy = asyncio.create_task(app.run_sync(block))
            await until_on_loop(blocked.is_set)
            app.tell(counter, Add(1))
            asked = asyncio.create_task(app.ask(counter, Total(), timeout=30))
            await asyncio.sleep(0.05)  # the loop turns, or this would hang
            assert not asked.done()
            free.set()
            assert await asked == 1
            await busy

    run(main())


def test_what_an_ask_raises_in_trio_is_raised_on_the_loop() -> None:
    """With its cause."""

    async def main() -> None:
        async with counting() as (app, counter):
            with pytest.raises(AskTimeout):
                await app.ask(counter, Never(), timeout=0.01)
            error = ValueError("a bug")
            asked = asyncio.create_task(app.ask(counter, Never(), timeout=30))
            await asyncio.sleep(0)  # what was asked before is handled before
            app.tell(counter, Fail(error))
            with pytest.raises(AskDropped, match="ended before it answered"):
                await asked
            await app.run(app.supervisor.terminate, counter)
            with pytest.raises(ActorStopped):
                await app.ask(counter, Total(), timeout=1)

    run(main())


@pytest.mark.parametrize("timeout", [-0.1, float("nan")])
def test_an_ask_with_a_timeout_that_makes_no_sense_is_refused(timeout: float) -> None:
    """With a ValueError, as in trio, and before the message is told."""

    async def main() -> None:
        async with counting() as (app, counter):
            with pytest.raises(ValueError, match="timeout is in seconds, 0 or more, not"):
                await app.ask(counter, Total(), timeout=timeout)
            assert (await app.run_sync(counter.statistics)).offered == 0

    run(main())


def test_a_request_whose_asker_is_cancelled_is_not_handled() -> None:
    """It is dropped when its turn comes; what was told after it is handled."""
    seen: list[type] = []

    class Held(Actor[Add | Total]):
        async def receive(self, message: Add | Total, /) -> Answer | None:
            seen.append(type(message))
            await free.wait()
            return message.answer(0) if isinstance(message, Total) else None

    free = trio.Event()

    async def main() -> None:
        async with SupervisorThread(Supervisor("app")) as app:
            held = await app.run(lambda: app.supervisor.start(Held))
            app.tell(held, Add(1))
            asked = asyncio.create_task(app.ask(held, Total(), timeout=30))
            while (await app.run_sync(held.statistics)).offered < 2:
                await asyncio.sleep(0.01)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            app.tell(held, Add(2))
            await app.run_sync(free.set)
            while (await app.run_sync(held.statistics)).handled < 3:
                await asyncio.sleep(0.01)
        assert seen == [Add, Add]

    run(main())


def test_a_cancelled_call_cancels_its_function_and_waits_for_its_cleanup() -> None:
    """When the cancellation arrives, nothing of the call runs in trio any more."""
    happened: list[str] = []

    async def main() -> None:
        async with counting() as (app, _counter):

            async def sleep() -> None:
                happened.append("began")
                try:
                    await trio.sleep_forever()
                finally:
                    with trio.CancelScope(shield=True):
                        await trio.sleep(0.1)
                    happened.append("cleaned up")

            call = asyncio.create_task(app.run(sleep))
            await until_on_loop(lambda: bool(happened))
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert happened == ["began", "cleaned up"]

    run(main())


def test_a_tree_that_gives_up_ends_the_block_with_its_error() -> None:
    """The body is cancelled, as in trio, and the task is not left cancelled."""
    reached: list[str] = []

    async def main() -> None:
        with pytest.raises(RestartLimitReached):
            async with counting(max_restarts=0) as (app, counter):
                app.tell(counter, Fail(ValueError("a bug")))
                await asyncio.sleep(60)
                reached.append("the end of the body")
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(main())
    assert not reached


def test_a_tree_that_ends_in_order_ends_the_block_without_an_error() -> None:
    """Automatic shutdown."""

    class Once(Actor[object]):
        async def run(self) -> None:
            await trio.lowlevel.checkpoint()

    async def main() -> None:
        spec = ChildSpec(Once, restart="temporary", significant=True)
        async with SupervisorThread(Supervisor("app", children=[spec], auto_shutdown="any_significant")):
            await asyncio.sleep(60)

    run(main())


def test_a_tree_that_ends_in_order_before_the_body_begins_cancels_nothing_behind_the_block() -> None:
    """Also where the body waits for nothing, so that its cancellation finds nothing to interrupt."""
    began = threading.Event()

    class Once(Actor[object]):
        async def run(self) -> None:
            began.set()
            await trio.lowlevel.checkpoint()

    def wait_for_its_end() -> None:
        assert began.wait(30)
        for thread in threading.enumerate():
            if thread.name == "ds-actors-trio":
                thread.join(30)

    async def main() -> None:
        spec = ChildSpec(Once, restart="temporary", significant=True)
        asyncio.get_running_loop().call_soon(wait_for_its_end)  # the loop learns of start and end at once
        async with SupervisorThread(Supervisor("app", children=[spec], auto_shutdown="any_significant")):
            pass
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(main())


def test_an_error_of_the_body_comes_out_as_it_is_and_with_the_trees_as_a_group() -> None:
    """Neither hides the other."""

    async def main() -> None:
        with pytest.raises(LookupError, match="mine"):
            async with counting():
                raise LookupError("mine")
        with pytest.raises(BaseExceptionGroup) as caught:
            async with counting(max_restarts=0) as (app, counter):
                app.tell(counter, Fail(ValueError("a bug")))
                try:
                    await asyncio.sleep(60)
                finally:
                    raise LookupError("mine")
        assert caught.group_contains(LookupError)
        assert caught.group_contains(RestartLimitReached)

    run(main())


@pytest.mark.parametrize("while_it", ["runs", "stops"])
def test_cancelled_the_block_stops_the_tree_in_order(while_it: str) -> None:
    """Also when the cancellation comes while it stops already."""
    stopped: list[str] = []
    stopping = threading.Event()

    class Slow(Actor[object]):
        async def stopping(self, exit: Exit, /) -> None:
            stopping.set()
            await trio.sleep(0.2)
            stopped.append(self.context.name)

    async def block(ready: asyncio.Event) -> None:
        specs = [ChildSpec(Slow, name=name) for name in ("first", "second")]
        async with SupervisorThread(Supervisor("app", children=specs)):
            ready.set()
            if while_it == "runs":
                await asyncio.sleep(60)

    async def main() -> None:
        ready = asyncio.Event()
        task = asyncio.create_task(block(ready))
        await ready.wait()
        if while_it == "stops":
            await until_on_loop(stopping.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stopped == ["second", "first"]

    run(main())


@pytest.mark.parametrize("begun", [False, True])
def test_cancelled_while_it_starts_the_block_leaves_no_tree_behind(begun: bool) -> None:
    """It waits for the tree's stop, although its thread may not even have begun."""
    starting, stopped = threading.Event(), list[str]()

    class Hanging(Actor[object]):
        async def started(self) -> None:
            starting.set()
            await trio.sleep_forever()

    class First(Actor[object]):
        async def stopping(self, exit: Exit, /) -> None:
            stopped.append(self.context.name)

    async def block() -> None:
        specs = [ChildSpec(First, name="first"), ChildSpec(Hanging, name="hanging")]
        async with SupervisorThread(Supervisor("app", children=specs)):
            pytest.fail("it has not started")

    async def main() -> None:
        task = asyncio.create_task(block())
        await asyncio.sleep(0)
        if begun:
            await until_on_loop(starting.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not any(thread.name == "ds-actors-trio" for thread in threading.enumerate())
        if begun:
            assert stopped == ["first"]

    run(main())


@pytest.mark.parametrize("fails", [False, True])
def test_a_cancellation_is_no_part_of_a_group(fails: bool) -> None:
    """A tree that gave up says so by itself, also to a task that is cancelled while it leaves."""
    stopping = threading.Event()

    class Slow(Actor[object]):
        async def stopping(self, exit: Exit, /) -> None:
            stopping.set()
            await trio.sleep(0.2)

    async def block() -> None:
        async with counting(max_restarts=0, children=[ChildSpec(Slow)]) as (app, counter):
            if fails:
                app.tell(counter, Fail(ValueError("a bug")))
                await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(block())
        await until_on_loop(stopping.is_set)
        task.cancel()
        with pytest.raises(RestartLimitReached if fails else asyncio.CancelledError):
            await task

    run(main())


@pytest.mark.parametrize("with_the_block", [False, True])
def test_a_call_that_is_cancelled_on_the_loop_does_not_end_the_block_silently(with_the_block: bool) -> None:
    """The tree stops, and the block says why; a loop that cancels all of its tasks gets nothing but cancellations."""
    called = threading.Event()
    calls = list[asyncio.Task[Any] | None]()

    async def wait() -> None:
        calls.append(asyncio.current_task())
        called.set()
        await asyncio.sleep(60)

    @define
    class Calling(Actor[object]):
        bridge: LoopBridge

        async def run(self) -> None:
            await self.bridge.call(wait)

    async def block() -> None:
        bridge = LoopBridge()
        supervisor = Supervisor("app", children=[ChildSpec(Calling, bridge)])
        async with SupervisorThread(supervisor, bridge=bridge):
            await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(block())
        await until_on_loop(called.is_set)
        (call,) = calls
        assert call is not None
        call.cancel()
        if with_the_block:
            task.cancel()
        with pytest.raises(asyncio.CancelledError if with_the_block else LoopClosed):
            await task

    run(main())


def test_a_start_that_fails_comes_out_of_the_blocks_start() -> None:
    """With nothing left behind."""

    class Unready(Actor[object]):
        async def started(self) -> None:
            raise ValueError("no database")

    async def main() -> None:
        with pytest.raises(StartFailed):
            async with SupervisorThread(Supervisor("app", children=[ChildSpec(Unready)])):
                pass

    run(main())


def test_system_exit_of_an_actor_comes_out_of_the_block() -> None:
    """It ends the tree in order, and then the program."""

    async def main() -> None:
        with pytest.raises(SystemExit):
            async with counting() as (app, counter):
                app.tell(counter, Fail(SystemExit(3)))
                await asyncio.sleep(60)

    run(main())


def test_calls_end_with_the_tree_and_later_ones_are_refused() -> None:
    """None of them waits for an answer that cannot come."""

    async def main() -> None:
        async with counting() as (app, counter):
            call = asyncio.create_task(app.run(trio.sleep_forever))
            await app.run_sync(lambda: None)
        with pytest.raises(TreeEnded, match="the tree of actors ended before the call did"):
            await call
        with pytest.raises(TreeEnded, match="/app has ended"):
            await app.ask(counter, Total(), timeout=1)
        with pytest.raises(TreeEnded, match="/app has ended"):
            app.tell(counter, Add(1))

    run(main())


def test_other_threads_and_loops_are_refused_with_the_way_in() -> None:
    """Before the block, there is no loop; afterwards it has one."""

    async def main() -> None:
        thread = SupervisorThread(Supervisor("app"))
        with pytest.raises(RuntimeError, match="has its loop from its block"):
            await thread.run_sync(lambda: None)
        with pytest.raises(RuntimeError, match="has not begun: enter its block first"):
            await SupervisorThread(Supervisor("other"), bridge=LoopBridge()).run_sync(lambda: None)
        async with thread as app:
            with pytest.raises(RuntimeError, match="can be entered once"):
                await thread.__aenter__()
            counter = await app.run(lambda: app.supervisor.start(Counter))
            with pytest.raises(RuntimeError, match="run_coroutine_threadsafe"):
                await asyncio.to_thread(app.tell, counter, Add(1))

            def elsewhere() -> None:
                asyncio.run(app.ask(counter, Total(), timeout=1))

            with pytest.raises(RuntimeError, match="belongs to the loop of its block"):
                await asyncio.to_thread(elsewhere)

    run(main())


def test_an_actor_of_another_tree_is_refused_and_unharmed() -> None:
    """Its mailbox belongs to that tree's thread."""

    async def main() -> None:
        async with counting() as (_, counter), SupervisorThread(Supervisor("other")) as other:
            with pytest.raises(RuntimeError, match="/app/Counter belongs to another tree than /other"):
                await other.ask(counter, Total(), timeout=1)
            with pytest.raises(RuntimeError, match="/app/Counter belongs to another tree than /other"):
                other.tell(counter, Add(1))
        async with counting() as (app, counter), SupervisorThread(Supervisor("other")):
            assert await app.ask(counter, Total(), timeout=5) == 0

    run(main())


@pytest.mark.parametrize("way", ["tell", "ask"])
def test_what_a_mailbox_raises_ends_the_tree_in_order(way: str) -> None:
    """SystemExit comes out of the block as it is."""

    class Exiting(Reject[Any]):
        def put(self, message: Any, now: float = 0.0, /) -> None:
            raise SystemExit(3)

    async def main() -> None:
        async with SupervisorThread(Supervisor("app")) as app:
            counter = await app.run(lambda: app.supervisor.start(Counter, mailbox=Exiting))
            if way == "tell":
                app.tell(counter, Add(1))
            else:
                await app.ask(counter, Total(), timeout=60)
            await asyncio.sleep(60)

    with pytest.raises(SystemExit):
        asyncio.run(main())


def test_an_actor_calls_the_loop() -> None:
    """Through a bridge that is made before the tree."""
    loop_thread = threading.current_thread()

    async def lookup(name: str) -> str:
        await asyncio.sleep(0)
        assert threading.current_thread() is loop_thread
        return name.upper()

    class Find(Request[str]):
        pass

    @define
    class Finder(Actor[Find]):
        bridge: LoopBridge

        async def receive(self, message: Find, /) -> Answer:
            return message.answer(await self.bridge.call(lookup, "alice"))

    async def main() -> None:
        bridge = LoopBridge()
        supervisor = Supervisor("app", children=[ChildSpec(Finder, bridge, name="finder")])
        async with SupervisorThread(supervisor, bridge=bridge) as app:
            finder = await app.run_sync(app.supervisor.find_actor, "finder")
            assert await app.ask(finder, Find(), timeout=5) == "ALICE"

    run(main())


def test_a_bridge_serves_one_tree_at_a_time() -> None:
    """One after the other is fine."""

    async def main() -> None:
        bridge = LoopBridge()
        async with SupervisorThread(Supervisor("first"), bridge=bridge) as first:
            with pytest.raises(RuntimeError, match="a LoopBridge serves one trio run at a time"):
                await SupervisorThread(Supervisor("second"), bridge=bridge).__aenter__()
            assert await first.run_sync(lambda: 1) == 1
        async with SupervisorThread(Supervisor("third"), bridge=bridge) as third:
            assert await third.run_sync(lambda: 3) == 3

    run(main())


def program(body: str) -> list[str]:
    prelude = """
        import asyncio, os, sys, time
        import trio
        from ds_actors import Actor, ChildSpec, Supervisor
        from ds_actors.asyncio import SupervisorThread

        class Slow(Actor[object]):
            async def stopping(self, exit, /):
                await trio.sleep(0.2)
                print("stopped", flush=True)

        def tree():
            return SupervisorThread(Supervisor("app", children=[ChildSpec(Slow)], close_within=3))
    """
    return [sys.executable, "-c", textwrap.dedent(prelude) + textwrap.dedent(body)]


def test_ctrl_c_stops_the_tree_and_then_the_program() -> None:
    """KeyboardInterrupt comes out of `asyncio.run`."""
    process = subprocess.Popen(
        program("""
            async def main():
                async with tree():
                    print("ready", flush=True)
                    await asyncio.sleep(60)
            try:
                asyncio.run(main())
            except KeyboardInterrupt:
                print("interrupted")
        """),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "stopped\ninterrupted\n", "")


def test_a_tree_that_does_not_stop_is_left_behind_with_a_line_in_the_log() -> None:
    """An actor that blocks its thread keeps neither the loop nor the interpreter from ending."""
    done = subprocess.run(
        program("""
            async def main():
                async with tree() as app:
                    blocked = asyncio.create_task(app.run_sync(time.sleep, 3600))
                    await asyncio.sleep(0.2)
                    blocked.cancel()
            began = time.monotonic()
            asyncio.run(main())
            print("ended" if time.monotonic() - began < 30 else "late")
        """),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
    assert "did not stop in time: its thread is left behind" in done.stderr


def test_a_loop_that_is_closed_under_the_tree_ends_it() -> None:
    """A program that closes a loop with tasks on it gets no thread that runs on."""
    done = subprocess.run(
        program("""
            loop = asyncio.new_event_loop()
            app = tree()
            loop.run_until_complete(app.__aenter__())
            loop.close()
            trio_thread = [t for t in __import__("threading").enumerate() if t.name == "ds-actors-trio"]
            for thread in trio_thread:
                thread.join(20)
            print(len(trio_thread), any(thread.is_alive() for thread in trio_thread))
        """),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout.split("\n")[:2] == ["stopped", "1 False"], done.stderr


def test_it_leaves_no_file_descriptor_behind() -> None:
    """However often it is entered."""

    async def once() -> None:
        async with counting() as (app, counter):
            assert await app.ask(counter, Total(), timeout=5) == 0

    async def main() -> None:
        await once()
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names alone
        for _ in range(5):
            await once()
        await until_on_loop(lambda: len(os.listdir("/proc/self/fd")) <= before)  # noqa: PTH208

    run(main())
