"""The bridge: cancellation both ways, a busy or stuck side, and either side ending first."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import trio
from waiting import until, until_in_trio, until_on_loop

from ds_actors.asyncio import LoopBridge, LoopClosed, TrioThread

TrioMain = Callable[[LoopBridge], Awaitable[None]]


class Run:
    """A trio thread with a bridge to the loop that it was started on."""

    def __init__(self, main: TrioMain) -> None:
        self.bridge = LoopBridge()
        self.thread = TrioThread()
        self._main = main
        self.error: BaseException | None = None

    async def start(self) -> None:
        await self.thread.start(self._run)

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        self.bridge.attach()
        task_status.started()
        try:
            await self._main(self.bridge)
        except Exception as error:  # noqa: BLE001 - raised again by `left`
            self.error = error

    async def left(self, seconds: float = 30) -> None:
        await asyncio.wait_for(asyncio.shield(self.thread.leave()), seconds)
        if self.error is not None:
            raise self.error


def run(main: TrioMain) -> None:
    """Run `main(bridge)` in trio, with a loop at its side, to its end."""

    async def asyncio_main() -> None:
        run = Run(main)
        await run.start()
        await run.left()

    asyncio.run(asyncio_main())


async def cancelled_once_begun(
    bridge: LoopBridge, on_loop: Callable[[], Coroutine[Any, Any, None]], begun: threading.Event
) -> float:
    """Call, cancel the call when it has begun on the loop, and return how long it then took to end (seconds)."""

    async def call() -> None:
        await bridge.call(on_loop)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        await until_in_trio(begun.is_set, 30)
        cancelled_at = trio.current_time()
        nursery.cancel_scope.cancel()
    return trio.current_time() - cancelled_at


def names_of_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_a_call_returns_what_the_coroutine_returns_and_raises_what_it_raises() -> None:
    """Results and errors cross; the coroutine runs on the loop's thread, in the context of the bridge's maker."""
    variable = contextvars.ContextVar("variable", default="none")
    loop_thread = threading.current_thread()

    async def on_loop(value: int) -> tuple[int, bool, str]:
        await asyncio.sleep(0)
        return value, threading.current_thread() is loop_thread, variable.get()

    async def raising() -> None:
        raise LookupError("mine")

    async def main(bridge: LoopBridge) -> None:
        assert await bridge.call(on_loop, 7) == (7, True, "starter's")
        with pytest.raises(LookupError, match="mine"):
            await bridge.call(raising)

    variable.set("starter's")
    run(main)


def test_cancelled_by_trio_the_task_is_cancelled_and_its_cleanup_waited_for() -> None:
    """The coroutine's `finally` has ended on the loop before the cancelled call ends in trio."""
    happened: list[str] = []
    begun = threading.Event()

    async def on_loop() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.1)
            happened.append("cleaned")

    async def main(bridge: LoopBridge) -> None:
        await cancelled_once_begun(bridge, on_loop, begun)
        assert happened == ["cleaned"]

    run(main)


def test_a_cleanup_that_hangs_delays_the_cancelled_call_for_two_seconds_at_most() -> None:
    """The wait after a cancellation is bounded."""
    took: list[float] = []
    begun = threading.Event()

    async def on_loop() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(30)

    async def main(bridge: LoopBridge) -> None:
        took.append(await cancelled_once_begun(bridge, on_loop, begun))

    run(main)
    assert 1.9 < took[0] < 20


def test_cancelled_by_the_loop_the_call_raises_loop_closed_and_so_do_those_after_it() -> None:
    """Cancelling all tasks, as a loop that ends does, ends the bridge too."""
    begun = threading.Event()
    outcomes: list[str] = []

    async def on_loop() -> None:
        begun.set()
        await asyncio.sleep(60)

    async def main(bridge: LoopBridge) -> None:
        for _ in range(2):
            try:
                await bridge.call(on_loop)
            except LoopClosed:
                outcomes.append("closed")
        await bridge.wait_lost()

    async def asyncio_main() -> None:
        run = Run(main)
        await run.start()
        await until_on_loop(begun.is_set)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await run.left()

    asyncio.run(asyncio_main())
    assert outcomes == ["closed", "closed"]


def test_a_coroutine_that_ends_as_cancelled_by_itself_does_not_end_the_bridge() -> None:
    """A callback that awaits a cancelled future is that callback's fault alone."""

    async def on_loop() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    async def fine() -> str:
        return "fine"

    async def main(bridge: LoopBridge) -> None:
        with pytest.raises(RuntimeError, match="it was not cancelled"):
            await bridge.call(on_loop)
        assert await bridge.call(fine) == "fine"

    run(main)


def test_the_loop_closes_first() -> None:
    """Calls under way end with LoopClosed, posting says False, and the trio thread ends by itself."""
    seen: list[object] = []

    async def on_loop() -> None:
        await asyncio.sleep(60)

    async def calling(bridge: LoopBridge) -> None:
        try:
            await bridge.call(on_loop)
        except LoopClosed:
            seen.append("closed")

    async def main(bridge: LoopBridge) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(calling, bridge)
            await bridge.wait_lost()
        seen.append(bridge.post(print))

    loop = asyncio.new_event_loop()

    async def asyncio_main() -> Run:
        run = Run(main)
        await run.start()
        return run

    run = loop.run_until_complete(asyncio_main())
    loop.close()  # its tasks are not cancelled
    until(lambda: "ds-actors-trio" not in names_of_threads())
    assert seen == ["closed", False]
    assert run.error is None
    assert "ds-actors-trio" not in names_of_threads()


def test_trio_ends_first() -> None:
    """Telling it says False, whatever is still called back, and the loop goes on."""

    async def main(_bridge: LoopBridge) -> None:
        await trio.lowlevel.checkpoint()

    async def asyncio_main() -> None:
        run = Run(main)
        await run.start()
        await run.left()
        assert run.bridge.tell(print, "never") is False

    asyncio.run(asyncio_main())


def test_what_tell_calls_may_raise_without_ending_trio(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; a bare TrioInternalError would end the run."""
    done: list[int] = []

    async def main(bridge: LoopBridge) -> None:
        await until_in_trio(lambda: done)

    async def asyncio_main() -> None:
        run = Run(main)
        await run.start()
        run.bridge.tell(lambda: 1 / 0)
        run.bridge.tell(done.append, 1)
        await run.left()

    asyncio.run(asyncio_main())
    assert "ZeroDivisionError" in caplog.text


def test_a_busy_trio_side_never_blocks_the_loop() -> None:
    """Trio blocks until the loop has told it twenty times, so a call that waits for trio would never return."""
    busy = threading.Event()
    all_told = threading.Event()
    in_time: list[bool] = []

    async def main(bridge: LoopBridge) -> None:
        busy.set()
        in_time.append(all_told.wait(30))

    async def asyncio_main() -> None:
        run = Run(main)
        await run.start()
        busy.wait()
        for _ in range(20):
            run.bridge.tell(print)
            await asyncio.sleep(0.001)
        all_told.set()
        await run.left()

    asyncio.run(asyncio_main())
    assert in_time == [True]


@pytest.mark.parametrize("cancelled", [False, True])
def test_entering_does_not_block_the_loop_and_may_be_cancelled(cancelled: bool) -> None:
    """The loop ticks while the thread comes up; a cancelled start cancels what runs there, and leaves no thread."""
    ended = threading.Event()

    async def stopping(bridge: LoopBridge) -> None:
        try:
            await trio.sleep(3600 if cancelled else 0.05)
        finally:
            ended.set()

    async def asyncio_main() -> None:
        run = Run(stopping)
        starting = asyncio.ensure_future(run.start())
        await asyncio.sleep(0)
        assert not starting.done()
        if cancelled:
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
        else:
            await starting
        await run.left()

    asyncio.run(asyncio_main())
    assert ended.is_set()
    assert "ds-actors-trio" not in names_of_threads()


def test_what_main_raises_before_it_is_ready_comes_out_of_start() -> None:
    """And no thread stays."""

    async def failing(*, task_status: trio.TaskStatus[None]) -> None:
        raise LookupError("not ready")

    async def asyncio_main() -> None:
        with pytest.raises(LookupError, match="not ready"):
            await TrioThread().start(failing)
        assert "ds-actors-trio" not in names_of_threads()

    asyncio.run(asyncio_main())


def test_two_runs_in_one_process_do_not_meet() -> None:
    """Each has its thread and its loop, as two jobs in one process do."""

    def job(results: list[str], name: str) -> None:
        async def on_loop() -> str:
            await asyncio.sleep(0.05)
            return threading.current_thread().name

        async def main(bridge: LoopBridge) -> None:
            results.append(await bridge.call(on_loop))

        run(main)

    results: list[str] = []
    threads = [threading.Thread(target=job, args=(results, name), name=name) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    assert sorted(results) == ["one", "two"]


def program(body: str) -> list[str]:
    prelude = """
        import asyncio, os, sys, threading, time
        import trio
        from ds_actors.asyncio import LoopBridge, TrioThread

        async def start(main):
            bridge, thread = LoopBridge(), TrioThread()
            async def run(*, task_status):
                bridge.attach()
                task_status.started()
                await main(bridge)
            await thread.start(run)
            return bridge, thread
    """
    return [sys.executable, "-c", textwrap.dedent(prelude) + textwrap.dedent(body)]


def test_a_stuck_trio_side_does_not_keep_the_process_from_ending() -> None:
    """trio sits in a shielded thread that never returns: `asyncio.run` returns, and the interpreter ends."""
    done = subprocess.run(
        program("""
            async def main(bridge):
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(time.sleep, 3600)

            async def asyncio_main():
                bridge, thread = await start(main)
                leaving = thread.leave()
                await asyncio.wait({leaving}, timeout=0.5)
                assert not leaving.done()

            began = time.monotonic()
            asyncio.run(asyncio_main())
            print("returned" if time.monotonic() - began < 30 else "late")
        """),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "returned"), done.stderr


def test_ctrl_c_ends_the_program_with_both_sides_running() -> None:
    """KeyboardInterrupt comes out of `asyncio.run`, and no thread keeps the process."""
    process = subprocess.Popen(
        program("""
            async def main(bridge):
                await bridge.wait_lost()

            async def asyncio_main():
                await start(main)
                print("ready", flush=True)
                await asyncio.sleep(60)

            try:
                asyncio.run(asyncio_main())
            except KeyboardInterrupt:
                print("interrupted", flush=True)
        """),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "interrupted\n"), err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_does_not_wait_for_a_thread_that_it_does_not_have() -> None:
    """Leaving there returns at once: the trio thread stayed in the parent."""
    done = subprocess.run(
        program("""
            import warnings
            warnings.simplefilter("ignore", DeprecationWarning)

            async def main(bridge):
                await bridge.wait_lost()

            async def asyncio_main():
                bridge, thread = await start(main)
                child = os.fork()
                if child == 0:
                    thread._leave()
                    os._exit(42)
                return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

            print(asyncio.run(asyncio_main()))
        """),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout.strip() == "42", done.stderr
