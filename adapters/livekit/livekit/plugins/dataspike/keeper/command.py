"""The keeper as a command."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any, Final

from livekit.plugins.dataspike.keeper._keeper import EVERY, RoomKeeper
from livekit.plugins.dataspike.keeper.rules import REPORT_AFTER
from livekit.plugins.dataspike.keeper.status import KeeperStatus
from prometheus_client import start_http_server

from ds_actors.detection.short_secret import short_secret_permitted

_EPILOG: Final = """\
It needs LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET.

exit codes:
  0  every room was watched at the end
  1  a room had no detector for more than 15 s, or the server could not be asked
  2  the command line or the environment is wrong
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Keep all rooms watched until Ctrl-C or SIGTERM, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m livekit.plugins.dataspike.keeper",
        description="Request a dispatch for every LiveKit room that has people and no live detector.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--agent-name", default="", help="of the workers that run the detector; by default without")
    parser.add_argument(
        "--rooms", action="append", metavar="PATTERN", help="keep only rooms that match, as in 'call-*'; repeatable"
    )
    parser.add_argument("--every", type=float, default=EVERY, metavar="SECONDS", help="between two looks (default: 2)")
    parser.add_argument("--metrics-port", type=int, metavar="PORT", help="serve Prometheus metrics on 127.0.0.1")
    parser.add_argument(
        "--once", action="store_true", help="end when every room is watched, or after 20 s: for a cron job or a check"
    )
    options = parser.parse_args(arguments)
    patterns: list[str] | None = options.rooms
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    def wanted(room: str) -> bool:
        return patterns is None or any(fnmatchcase(room, pattern) for pattern in patterns)

    try:
        with short_secret_permitted(os.environ.get("LIVEKIT_URL", "")):
            keeper = RoomKeeper(agent_name=options.agent_name, wanted=wanted, every=options.every)
            status = asyncio.run(_keep(keeper, once=options.once, metrics_port=options.metrics_port))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return 0 if status.all_watched else 1


async def _keep(keeper: RoomKeeper, *, once: bool, metrics_port: int | None) -> KeeperStatus:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C cancels this instead
            loop.add_signal_handler(number, stop.set)
    server = None if metrics_port is None else start_http_server(metrics_port, addr="127.0.0.1")
    try:
        async with keeper:
            ends: list[asyncio.Task[Any]] = [loop.create_task(stop.wait()), loop.create_task(keeper.wait())]
            if once:
                ends.append(loop.create_task(_looked_until_watched(keeper)))
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            return keeper.status()
    finally:
        if server is not None:
            server[0].shutdown()
            server[0].server_close()


async def _looked_until_watched(keeper: RoomKeeper) -> None:
    end = asyncio.get_running_loop().time() + REPORT_AFTER + 5.0
    while asyncio.get_running_loop().time() < end:
        status = keeper.status()
        if status.looks and status.all_watched and not status.waiting:
            return
        await asyncio.sleep(0.2)
