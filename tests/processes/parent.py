"""A program with a supervised program, for the test that kills it."""

from __future__ import annotations

import os

import trio

from ds_actors import Supervisor
from ds_actors.processes import LineMatches, Program, ProgramActor

SCRIPT = "sleep 600 & setsid sleep 600 & echo ready; wait"


async def main() -> None:
    async with Supervisor("app") as app:
        await app.start(ProgramActor, Program(["sh", "-c", SCRIPT], ready=LineMatches("^ready$")))
        os.write(1, b"up\n")
        await trio.sleep_forever()


trio.run(main)
