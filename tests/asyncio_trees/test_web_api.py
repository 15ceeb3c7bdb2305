"""The FastAPI example, served by uvicorn: it is stopped, cancelled and reloaded, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from waiting import until, until_on_loop

from ds_actors.asyncio import SupervisorThread, TreeEnded
from ds_actors.testing import crash

EXAMPLE = Path(__file__).parents[2] / "examples" / "web_api.py"


@asynccontextmanager
async def serving() -> AsyncGenerator[tuple[Any, uvicorn.Server, asyncio.Task[None], httpx.AsyncClient]]:
    """Serve the example at a free port."""
    api = runpy.run_path(str(EXAMPLE))["api"]
    server = uvicorn.Server(uvicorn.Config(api, port=0, log_level="error"))
    task = asyncio.create_task(server.serve())
    await until_on_loop(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield api, server, task, client
    finally:
        for listening in server.servers:  # uvicorn leaves them open when it is cancelled
            listening.close()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it on a loop, after which no thread may be left."""
    before = {thread.name for thread in threading.enumerate()}

    asyncio.run(main())
    until(lambda: {thread.name for thread in threading.enumerate()} <= before)


def test_it_sells_and_shows_its_tree_until_it_is_stopped() -> None:
    """Requests of many tasks are handled one after the other, so nothing is sold twice."""

    async def main() -> None:
        async with serving() as (_api, server, task, client):
            answers = await asyncio.gather(*(client.post("/sales/tea", params={"number": 1}) for _ in range(15)))
            assert sorted(answer.status_code for answer in answers) == [200] * 10 + [409] * 5
            assert sorted(answer.json()["left"] for answer in answers if answer.is_success) == list(range(10))
            assert "stock running" in (await client.get("/tree")).text
            server.should_exit = True
            await task
        await until_on_loop(lambda: len(asyncio.all_tasks()) == 1)

    run(main)


def test_an_actor_that_crashes_is_replaced_and_one_that_was_stopped_is_said() -> None:
    """With 503, and without an end of the program."""

    async def main() -> None:
        async with serving() as (api, server, task, client):
            tree: SupervisorThread = api.state.shop.tree
            await tree.run(crash, tree.supervisor, api.state.shop.stock)
            assert (await client.post("/sales/tea", params={"number": 1})).json() == {"item": "tea", "left": 9}
            await tree.run(tree.supervisor.terminate, "stock")
            answer = await client.post("/sales/tea", params={"number": 1})
            assert (answer.status_code, "stopped" in answer.json()["error"]) == (503, True)
            server.should_exit = True
            await task

    run(main)


def test_a_tree_that_gives_up_is_said_too() -> None:
    """By each route that asks it, while the program serves on."""

    async def main() -> None:
        async with serving() as (api, server, task, client):
            tree: SupervisorThread = api.state.shop.tree
            for _ in range(3):
                await tree.run(crash, tree.supervisor, api.state.shop.stock)
            with suppress(TreeEnded):
                await tree.run(crash, tree.supervisor, api.state.shop.stock)
            while (await client.get("/tree")).is_success:
                await asyncio.sleep(0.01)
            answer = await client.post("/sales/tea", params={"number": 1})
            assert (answer.status_code, answer.json()) == (503, {"error": "/shop has ended"})
            server.should_exit = True
            await task

    run(main)


def test_cancelled_while_it_serves_it_leaves_nothing_behind() -> None:
    """uvicorn leaves its lifespan to the end of the loop then, and so the tree ends with the loop."""

    async def main() -> None:
        async with serving() as (_api, _server, task, client):
            assert (await client.get("/tree")).is_success
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main)


@pytest.mark.timeout(120)
def test_reloaded_it_is_a_new_process_and_the_old_one_is_gone(tmp_path: Path) -> None:
    """`uvicorn --reload` stops the tree with its process, and Ctrl-C stops both."""
    program = tmp_path / "web_api.py"
    shutil.copy(EXAMPLE, program)
    log = tmp_path / "log"
    command = [sys.executable, "-m", "uvicorn", "web_api:api", "--port", "0", "--reload", "--reload-dir", str(tmp_path)]
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=out)
    try:

        def ready(times: int) -> Callable[[], bool]:
            return lambda: log.read_text("utf-8").count("Application startup complete") == times

        def servers() -> list[int]:
            return [int(found) for found in re.findall(r"Started server process \[(\d+)\]", log.read_text("utf-8"))]

        until(ready(1), 60)
        program.write_text(program.read_text("utf-8") + "\n# changed\n", "utf-8")
        until(ready(2), 60)
        first, second = servers()
        assert first != second
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        with pytest.raises(ProcessLookupError):
            os.kill(second, 0)
    finally:
        process.kill()
        process.wait()
    said = log.read_text("utf-8")
    assert said.count("Application shutdown complete") == 2
    assert "Traceback" not in said
