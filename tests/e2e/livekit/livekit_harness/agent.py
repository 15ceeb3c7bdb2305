"""An agent's process with a detector in it: this project's or 1.2.17's, whichever the Python that runs it holds.

Run as `python -m livekit_harness.agent`; it speaks `stdio`. With `--forks` it forks such a process at each command
`fork`. Only what both environments have: the standard library, livekit and the plugin.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import json
import logging
import os
import resource
import runpy
import select
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from livekit_harness.stdio import claim_stdout, say, serve

EXAMPLES = Path(__file__).parents[4] / "examples"
TICK = 0.005
LAG = 0.002


class Ticker:
    """How the loop stalls: the lags of a 5 ms ticker; and how busy it is: `Handle._run`, wrapped."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.stalled = self.worst = self.busy = self.longest = 0.0
        self.ticks = 0
        run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            began = time.perf_counter()
            run(handle)
            took = time.perf_counter() - began
            self.busy += took
            self.longest = max(self.longest, took)

        self._timed, self._run = timed, run

    def reset(self) -> None:
        self.stalled = self.worst = self.busy = self.longest = 0.0
        self.ticks = 0

    def start(self, *, busy: bool) -> None:
        self.reset()
        if busy:
            asyncio.Handle._run = self._timed  # type: ignore[method-assign, assignment]
        self.task = asyncio.get_running_loop().create_task(self._tick(), name="ticker")

    def stop(self) -> None:
        asyncio.Handle._run = self._run  # type: ignore[method-assign]
        if self.task is not None:
            self.task.cancel()
            self.task = None

    async def _tick(self) -> None:
        while True:
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            lag = time.perf_counter() - due
            self.ticks += 1
            if lag > LAG:
                self.stalled += lag
            self.worst = max(self.worst, lag)

    def read(self) -> dict[str, float]:
        return {
            "stalled": self.stalled,
            "worst": self.worst,
            "busy": self.busy,
            "longest": self.longest,
            "ticks": self.ticks,
        }


class Agent:
    """The commands."""

    def __init__(self) -> None:
        self._ticker = Ticker()
        self._detector: Any = None
        self._room: Any = None
        self._own: set[str] = set()

    async def warm(self) -> dict[str, str]:
        """Import the plugin, as a worker does before it takes a job; return versions."""
        import livekit.agents
        from livekit.plugins import dataspike

        return {"plugin": dataspike.__version__, "agents": livekit.agents.__version__, "file": dataspike.__file__ or ""}

    async def join(self, url: str, token: str, secret: str | None = None, auto_subscribe: bool = True) -> str:
        """Connect to the room, with its key for what is encrypted from end to end, and return the own identity."""
        from livekit import rtc

        self._room = rtc.Room()

        def subscribed(track: Any, _publication: Any, participant: Any) -> None:
            say(event="subscribed", participant=participant.identity, track=track.sid)

        self._room.on("track_subscribed", subscribed)
        for name in ("reconnecting", "reconnected", "disconnected", "moved"):
            self._room.on(name, functools.partial(_told, name))
        keys = None if secret is None else rtc.E2EEOptions(rtc.KeyProviderOptions(shared_key=secret.encode()))
        await self._room.connect(url, token, rtc.RoomOptions(auto_subscribe=auto_subscribe, encryption=keys))
        return str(self._room.local_participant.identity)

    async def start(
        self,
        *,
        service: str,
        key: str = "k",
        callback: str | None = None,
        video: dict[str, Any] | None = None,
        audio: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        written: str = "",
        vad: bool = False,
    ) -> None:
        """Start a detector in the room.

        `callback`: None (the room hears), "record", "raise", "slow" (5 s for alice), "snippet". `video` and `audio` are
        those of VideoParams and AudioParams, `options` go to the constructor as they are, `written` as Python with
        the names of `ds_actors.detection` and `examples/my_policies.py`. `vad`: a VAD stream that hears speech after
        1.5 s.
        """
        from livekit.plugins import dataspike

        os.environ["DATASPIKE_WS_URL"] = service
        arguments: dict[str, Any] = {"api_key": key, **(options or {})}
        if written:
            from ds_actors import detection

            names = vars(detection) | runpy.run_path(str(EXAMPLES / "my_policies.py"))
            arguments |= eval(f"dict({written})", names)
        if video is not None:
            arguments["video_params"] = dataspike.VideoParams(**video)
        if audio is not None:
            arguments["audio_params"] = dataspike.AudioParams(**audio)
        if callback is not None:
            arguments["notification_cb"] = _callback(callback)
        self._detector = dataspike.DataspikeDetector(**arguments)
        await self._detector.start(None, room=self._room, **({"vad_stream": _speech()} if vad else {}))

    def status(self) -> Any:
        """Return `detector.status()` as a dict."""
        return self._detector.status().dict()

    async def aclose(self) -> float:
        """Close the detector; return the seconds it took."""
        began = time.monotonic()
        await self._detector.aclose()
        return time.monotonic() - began

    async def leave(self) -> None:
        """Leave the room."""
        await self._room.disconnect()

    async def simulate(self, scenario: str) -> None:
        """Have the SDK play a scenario, by the name of its SimulateScenarioKind."""
        from livekit import rtc

        await self._room.simulate_scenario(getattr(rtc.SimulateScenarioKind, scenario))

    def left(self) -> dict[str, Any]:
        """Return what lives here: tasks of the loop but the harness's own, threads, open media streams, memory."""
        from livekit import rtc

        mine = {"serve", "_do", "_main", "_tick"}
        tasks = sorted(_name(task) for task in asyncio.all_tasks())
        # By type: isinstance would wake the lazy modules among the objects.
        streams = [stream for stream in gc.get_objects() if type(stream) in (rtc.VideoStream, rtc.AudioStream)]
        return {
            "tasks": [name for name in tasks if name.rpartition(".")[2] not in mine],
            "threads": sorted(thread.name for thread in threading.enumerate()),
            "streams": sum(not _ended(stream) for stream in streams),
            "rss": _rss(),
        }

    def rss(self) -> int:
        """Return the resident memory, bytes."""
        gc.collect()
        return _rss()

    def tick(self, busy: bool = False) -> None:
        """Begin to measure the loop's stalls, and with `busy` how long its callbacks run."""
        self._ticker.start(busy=busy)

    def ticked(self) -> dict[str, float]:
        """Return and stop the measuring; seconds."""
        self._ticker.stop()
        return self._ticker.read()

    def cpu(self) -> float:
        """Return the CPU seconds of this process so far, user and system."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    async def evaluate(self, code: str) -> Any:
        """Run code with `detector`, `room`, `rtc`, `dataspike`, `say` in reach; its last value is `result`."""
        import textwrap

        from livekit import rtc
        from livekit.plugins import dataspike

        names: dict[str, Any] = {
            "detector": self._detector,
            "room": self._room,
            "rtc": rtc,
            "dataspike": dataspike,
            "say": say,
            "asyncio": asyncio,
            "agent": self,
        }
        exec(f"async def _run():\n    result = None\n{textwrap.indent(code, '    ')}\n    return result", names)
        return await names["_run"]()


def _told(event: str, *_: object) -> None:
    say(event=event)


def _name(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return str(getattr(coroutine, "__qualname__", coroutine))


def _ended(stream: Any) -> bool:
    task = getattr(stream, "_task", None)
    return task is None or bool(task.done())


def _rss() -> int:
    with Path("/proc/self/statm").open() as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


async def _speech() -> AsyncIterator[Any]:
    from livekit.agents import vad

    await asyncio.sleep(1.5)  # 1.2.17 tells the tracks that it has by then
    yield vad.VADEvent(vad.VADEventType.START_OF_SPEECH, 0, 0.0, 0.0, 0.0)
    await asyncio.sleep(3600)


def _callback(kind: str) -> Callable[[Any], Any]:
    async def record(event: Any) -> None:
        say(event="callback", **_event(event), state="begun")
        if kind == "raise":
            raise RuntimeError("no")
        if kind == "slow" and event.participant_id == "alice":
            await asyncio.sleep(5)
        say(event="callback", **_event(event), state="done")

    async def snippet(event: Any) -> None:
        try:
            say(
                event="printed",
                text=f"[ALERT] {event.level.upper()} from {event.participant_id}",
                keys=list(event.dict()),
            )
        except AttributeError as error:
            say(event="printed", error=str(error))

    return snippet if kind == "snippet" else record


def _event(event: Any) -> dict[str, Any]:
    number = int(event.type)
    level = {0: "unknown", 1: "suspicious", 2: "clear", 3: "error", 4: "alert"}.get(number, "unknown")
    return {"participant": event.participant_id, "track": event.track_id, "level": level}


async def _main() -> None:
    agent = Agent()

    def command(name: str) -> Callable[..., Any]:
        return getattr(agent, name)  # type: ignore[no-any-return]

    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    from livekit.agents import utils

    # What a job's process has, too: 1.2.17 takes its HTTP session from there.
    async with utils.http_context.open():
        say(event="ready")
        await serve(command)
        with contextlib.suppress(Exception):
            await asyncio.wait_for(agent.leave(), 2)


def _fork_on_command() -> bool:
    """Import the plugin, then fork when told to; True in a fork, False in the parent when its stdin has ended."""
    from livekit.plugins import dataspike

    assert dataspike.__version__
    unread = b""
    while True:
        # No thread waits for the forks: a process with threads should not fork.
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                say(event="ended", pid=ended[0], code=os.waitstatus_to_exitcode(ended[1]))
        if not select.select([0], [], [], 0.05)[0]:
            continue
        if not (read := os.read(0, 65_536)):
            return False
        *lines, unread = (unread + read).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if pid := os.fork():
                say(id=command["id"], ok=pid)
                continue
            for number, (pipe, mode) in enumerate(zip(command["pipes"], (os.O_RDONLY, os.O_WRONLY), strict=True)):
                os.dup2(os.open(pipe, mode), number)
            claim_stdout()
            return True


if __name__ == "__main__":
    claim_stdout()
    if "--forks" not in sys.argv or _fork_on_command():
        asyncio.run(_main())
