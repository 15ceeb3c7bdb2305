"""Plays a recorded watch into a console, at its own pace or faster."""

from __future__ import annotations

import math
from collections.abc import Iterator

import trio
from attrs import define

from ds_actors.cli._watch.console import WatchConsole
from ds_actors.cli._watch.recording import DamagedRecording, RecordedEvent, RecordingHead


@define(eq=False)
class PlaybackClock:
    """The time of the recording, as the console shows it."""

    head: RecordingHead
    at: float = 0.0

    def __call__(self) -> float:
        """Return the seconds since the epoch at which the newest event happened."""
        return self.head.began + self.at


async def play(
    events: Iterator[RecordedEvent],
    clock: PlaybackClock,
    speed: float,
    console: WatchConsole,
) -> str:
    """Show the events one after the other; return what is wrong with the rest of the recording, or nothing.

    Args:
        events: of the recording.
        clock: is set to each event's time.
        speed: 2 plays twice as fast; infinity does not wait.
        console: where they are shown.
    """
    began = trio.current_time()
    try:
        for recorded in events:
            if speed != math.inf:
                await trio.sleep_until(began + recorded.at / speed)
            clock.at = recorded.at
            if recorded.event["event"] == "log":
                console.log(recorded.event["text"])
            else:
                console.take(recorded.event)
            await trio.lowlevel.checkpoint()
    except DamagedRecording as error:
        return str(error)
    return ""
