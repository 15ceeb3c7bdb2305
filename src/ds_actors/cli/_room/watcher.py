"""The monitor's process: joins the room as an agent, with the LiveKit plugin, until SIGTERM.

Run as a file; with `--silent` it sends the room nothing, and results go only where the settings say. The room's URL and
the token are in LIVEKIT_URL and LIVEKIT_TOKEN, all else in the plugin's own variables. Stdout has one JSON object per
line: `{"event": "joined", "others": 2}` with the number of other participants, then `{"event": "status", ...}` once
per second. Stderr has the log. Exits with 0 after SIGTERM, with 1 when the room ended.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys

from livekit import rtc
from livekit.plugins import dataspike

from ds_actors.detection.settings import read_settings

REPORT_EVERY = 1.0
_logger = logging.getLogger("ds_actors.room")
# Stdout is for the events alone: what else writes there, as a library may, goes to stderr.
_events = os.fdopen(os.dup(1), "w", encoding="ascii")
os.dup2(2, 1)


async def watch() -> int:
    """Watch the room; return the exit code."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    loop.add_signal_handler(signal.SIGTERM, end, 0)
    room = rtc.Room()

    def disconnected(reason: rtc.DisconnectReason.ValueType) -> None:
        if not ended.done():
            why = rtc.DisconnectReason.Name(reason).lower().replace("_", " ")
            _logger.info("the connection to the room ended: %s", why)
        end(1)

    room.on("disconnected", disconnected)  # pyright: ignore[reportUnknownMemberType]
    silent = "--silent" in sys.argv
    sinks = read_settings().make_sinks(lambda: room.name) if silent else None
    async with dataspike.DataspikeDetector(publish_coverage=not silent, sinks=sinks) as detector:
        # Nothing but the detector subscribes, so it pauses the forwarding of each track between two samples.
        options = rtc.RoomOptions(auto_subscribe=False)
        await room.connect(os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"], options)
        await detector.start(None, room=room)
        _tell({"event": "joined", "others": len(room.remote_participants)})
        while not ended.done():
            _tell({"event": "status", "status": detector.status().dict()})
            await asyncio.wait({ended}, timeout=REPORT_EVERY)
    await room.disconnect()
    return ended.result()


def _tell(event: dict[str, object]) -> None:
    _events.write(json.dumps(event) + "\n")
    _events.flush()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("livekit").setLevel(logging.ERROR)
    logging.getLogger("livekit.plugins.dataspike").setLevel(logging.INFO)
    code = asyncio.run(watch())
    # The SDK's library has been seen to abort while the interpreter ends.
    os._exit(code)
