"""The thread of a trio run beside an asyncio loop: what it must never hold up."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def test_a_run_that_never_ends_holds_up_neither_the_loop_nor_the_end_of_the_program() -> None:
    """Trio is stuck in a call that no cancellation reaches, and two threads wait for it: both are daemons."""
    program = """
        import asyncio, threading
        import trio
        from ds_actors.asyncio import TrioThread

        async def stuck(*, task_status):
            task_status.started()
            await trio.lowlevel.checkpoint()
            threading.Event().wait()

        async def main():
            thread = TrioThread()
            await thread.start(stuck)
            left = thread.leave()
            await asyncio.wait({left}, timeout=0.2)
            assert not left.done()

        asyncio.run(main())
        print("the end")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.stdout.split("\n")[0], done.returncode) == ("the end", 0), done.stderr
