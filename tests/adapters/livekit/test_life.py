"""The detector's life: start in every state, close from everywhere, and what its status says meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
import trio
from job_contexts import job_context
from livekit import rtc
from livekit.plugins.dataspike import DataspikeDetector, ResultEvent, ResultType, Status, _session
from prometheus_client import REGISTRY
from waiting import until, until_on_loop

from ds_actors.detection import Monitor, Sink

NOWHERE = "ws://127.0.0.1:9"  # nothing listens there


def detector(**options: Any) -> DataspikeDetector:
    arguments: dict[str, Any] = {"api_key": "k", "url": NOWHERE, **options}
    return DataspikeDetector(**arguments)


def monitors(state: str) -> float | None:
    return REGISTRY.get_sample_value("ds_actors_monitors", {"state": state})


def trio_threads() -> int:
    return sum(thread.name == "ds-actors-trio" for thread in threading.enumerate())


def test_it_waits_for_a_room_that_is_not_connected_yet() -> None:
    """`start` returns at once, says so in its status, and closing ends the thread."""
    told: list[tuple[str, str]] = []

    async def main() -> None:
        def tell(status: Status) -> None:
            told.append((status.state, status.uplink.state))

        room_detector = detector(state_cb=tell)
        assert room_detector.status().state == "idle"
        await room_detector.start(None, room=rtc.Room())
        assert room_detector.status().state == "waiting_for_room"
        await until_on_loop(lambda: room_detector.status().uplink.state == "down")
        await room_detector.aclose()
        assert room_detector.status().state == "closed"
        assert trio_threads() == 0

    asyncio.run(main())
    assert told[0] == ("waiting_for_room", "connecting")
    assert ("waiting_for_room", "down") in told
    assert told[-1] == ("closed", "down")
    assert len(told) == len(set(told))


def test_start_returns_when_the_tree_runs_and_the_rooms_events_are_heard() -> None:
    """The detector hears of a track that is published at once, and of the room's end."""

    async def main() -> None:
        room = rtc.Room()
        async with detector() as room_detector:
            await room_detector.start(None, room=room)
            assert room_detector._session is not None
            assert room_detector._session.monitor.status().state == "running"
            heard = {event for event, handlers in cast("Any", room)._events.items() if handlers}
            assert heard >= {"track_published", "track_subscribed", "track_muted", "disconnected"}

    asyncio.run(main())


def test_a_tree_that_does_not_start_fails_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is raised there: the start does not return before the tree runs. Nothing is left of it."""

    async def fail(_monitor: Monitor) -> Monitor:
        await trio.lowlevel.checkpoint()
        raise LookupError("no tree")

    async def main() -> None:
        room = rtc.Room()
        monkeypatch.setattr(Monitor, "__aenter__", fail)
        room_detector = detector()
        with pytest.raises(LookupError, match="no tree"):
            await room_detector.start(None, room=room)
        await room_detector.aclose()
        assert not any(cast("Any", room)._events.values())
        assert trio_threads() == 0

    asyncio.run(main())


def test_it_is_in_the_default_registry_while_it_lives() -> None:
    """Which LiveKit's worker serves."""

    async def main() -> None:
        room_detector = detector()
        await room_detector.start(None, room=rtc.Room())
        await until_on_loop(lambda: monitors("running") == 1)
        await room_detector.aclose()
        assert monitors("running") == 0

    asyncio.run(main())


def test_the_sinks_of_the_settings_run_beside_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A room that is not connected has no name, which costs no event."""
    file = tmp_path / "alerts.jsonl"
    monkeypatch.setenv("DATASPIKE_JSON_LINES_FILE", str(file))

    async def main() -> Sink:
        room_detector = detector(notification_cb=print)
        await room_detector.start(None, room=rtc.Room())
        assert [sink.name for sink in room_detector.status().sinks] == ["callback", "json-lines"]
        assert room_detector._session is not None
        sink = room_detector._session.monitor._hub.sinks["json-lines"].sink
        await room_detector.aclose()
        return sink

    trio.run(asyncio.run(main()).deliver, ResultEvent(ResultType.ALERT, "alice", "TR_1", "", 7))
    event = json.loads(file.read_text("ascii"))
    assert (event["level"], "room" in event) == ("alert", False)


def test_its_story_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO: what the rules watch, the monitor's settings, and a summary at the close; the key is not in it."""
    caplog.set_level(logging.INFO)

    async def main() -> None:
        room_detector = detector(api_key="sesame", sources=["camera"], consent=bool)
        await room_detector.start(None, room=rtc.Room())
        await room_detector.aclose()

    asyncio.run(main())
    story = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert "the detector watches the room: video of camera, subject to consent" in story
    assert any(line.startswith(f"monitoring begins: {NOWHERE}, AdaptiveSampling with") for line in story)
    assert any(line.startswith("monitoring ends after 0 s: 0 tracks; ") for line in story)
    assert "sesame" not in caplog.text


def test_its_status_says_whether_the_room_is_connected_or_reconnects() -> None:
    """And `state_cb` is called for each change."""
    told: list[str] = []

    async def main() -> None:
        def tell(status: Status) -> None:
            told.append("" if status.room is None else status.room.state)

        room = rtc.Room()
        room_detector = detector(state_cb=tell)
        await room_detector.start(None, room=room)
        assert room_detector.status().room is None

        def was_told(state: str) -> bool:
            return told[-1:] == [state]

        for state, shown in (("CONNECTED", "connected"), ("RECONNECTING", "reconnecting"), ("CONNECTED", "connected")):
            room.emit("connection_state_changed", getattr(rtc.ConnectionState, f"CONN_{state}"))
            await until_on_loop(partial(was_told, shown))
            status = room_detector.status().room
            assert status is not None
            assert status.state == shown
        await room_detector.aclose()

    asyncio.run(main())


def test_a_second_start_and_one_after_closing_are_refused() -> None:
    """One detector watches one room, once."""

    async def main() -> None:
        room_detector = detector()
        await room_detector.start(None, room=rtc.Room())
        with pytest.raises(RuntimeError, match="started before"):
            await room_detector.start(None, room=rtc.Room())
        await room_detector.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await room_detector.start(None, room=rtc.Room())
        never = detector()
        await never.aclose()
        assert never.status().state == "closed"
        with pytest.raises(RuntimeError, match="closed"):
            await never.start(None, room=rtc.Room())

    asyncio.run(main())


def test_a_start_that_a_jobs_bad_proxy_refuses_starts_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the proxy and not its password, leaving the block adds none, and a better job may follow."""
    proc = SimpleNamespace(http_proxy="gopher://alice:sesame@proxy")
    job = job_context(proc)
    monkeypatch.setattr("livekit.plugins.dataspike.detector.get_job_context", Mock(return_value=job))

    async def main() -> None:
        room_detector = detector(url="wss://nowhere.invalid")
        with pytest.raises(ValueError, match="proxy must be a URL") as refused:
            await room_detector.start(None, room=rtc.Room())
        assert "sesame" not in str(refused.value)
        assert room_detector.status().state == "idle"
        proc.http_proxy = "http://127.0.0.1:9"
        await room_detector.start(None, room=rtc.Room())
        await room_detector.aclose()
        with pytest.raises(ValueError, match="proxy must be a URL"):
            proc.http_proxy = "gopher://proxy"
            async with detector(url="wss://nowhere.invalid") as room_detector:
                await room_detector.start(None, room=rtc.Room())

    asyncio.run(main())
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_the_jobs_shutdown_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a callback that LiveKit takes: it reads `__code__`, which neither a partial nor a callable object has."""
    job = job_context(SimpleNamespace(http_proxy=None))
    monkeypatch.setattr("livekit.plugins.dataspike.detector.get_job_context", Mock(return_value=job))

    async def main() -> None:
        room_detector = detector()
        await room_detector.start(None, room=rtc.Room())
        ((callback,), _) = job.add_shutdown_callback.call_args
        assert callback.__code__.co_argcount == 1  # without the reason
        await callback()
        assert room_detector.status().state == "closed"
        assert trio_threads() == 0

    asyncio.run(main())


def test_it_closes_with_its_block_and_as_often_as_one_likes() -> None:
    """`async with`, then `aclose` twice at once and once more."""

    async def main() -> None:
        async with detector() as room_detector:
            await room_detector.start(None, room=rtc.Room())
        await asyncio.gather(room_detector.aclose(), room_detector.aclose())
        await room_detector.aclose()
        assert trio_threads() == 0

    asyncio.run(main())


def test_closing_while_it_starts_leaves_nothing() -> None:
    """Whichever comes first."""

    async def main() -> None:
        room_detector = detector()
        starting = asyncio.ensure_future(room_detector.start(None, room=rtc.Room()))
        await asyncio.sleep(0)
        await room_detector.aclose()
        await starting
        assert room_detector.status().state == "closed"
        assert trio_threads() == 0

    asyncio.run(main())


def test_a_cancelled_start_closes_what_it_began() -> None:
    """Who gave up waiting for it need not close it: no thread, no connection and no handler of the room is left."""

    async def main() -> None:
        room = rtc.Room()
        room_detector = detector()
        starting = asyncio.ensure_future(room_detector.start(None, room=room))
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await until_on_loop(lambda: room_detector.status().state == "closed" and not trio_threads())
        assert not any(cast("Any", room)._events.values())
        with pytest.raises(RuntimeError, match="closed"):
            await room_detector.start(None, room=room)
        await room_detector.aclose()

    asyncio.run(main())


def test_a_callback_may_close_the_detector(caplog: pytest.LogCaptureFixture) -> None:
    """One that hangs up at an alert: the rest of it runs too, and closing does not wait for it in vain."""
    done: list[str] = []

    async def main() -> None:
        async def hang_up(event: ResultEvent) -> None:
            await room_detector.aclose()
            await asyncio.sleep(0.1)
            done.append(event.track_id)

        room_detector = detector(notification_cb=hang_up)
        await room_detector.start(None, room=rtc.Room())
        assert room_detector._session is not None
        alert = ResultEvent(ResultType.ALERT, "alice", "TR", "", 0)

        def notify() -> None:
            assert room_detector._session is not None
            ref = room_detector._session.monitor._hub.refs.sink("callback")
            assert ref is not None
            ref.tell(alert)

        room_detector._session.bridge.tell(notify)
        await until_on_loop(lambda: room_detector.status().state == "closed" and not trio_threads())
        assert done == ["TR"]

    asyncio.run(main())
    assert "did not stop in time" not in caplog.text


def test_a_cancelled_close_goes_on_by_itself() -> None:
    """Who waits for it may be cancelled; the closing is not."""

    async def main() -> None:
        room_detector = detector()
        await room_detector.start(None, room=rtc.Room())
        closing = asyncio.ensure_future(room_detector.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        await until_on_loop(lambda: trio_threads() == 0)
        assert room_detector.status().state == "closed"

    asyncio.run(main())


def test_status_from_any_thread_does_not_wait() -> None:
    """Plain data, also while it runs."""

    async def main() -> None:
        room_detector = detector()
        await room_detector.start(None, room=rtc.Room())
        found: list[Status] = []
        thread = threading.Thread(target=lambda: found.append(room_detector.status()))
        thread.start()
        thread.join(30)
        assert found[0].state == "waiting_for_room"
        assert found[0].dict()["state"] == "waiting_for_room"
        await room_detector.aclose()

    asyncio.run(main())


def test_closing_from_another_loop() -> None:
    """The detector's own loop does the work."""

    async def main() -> None:
        room_detector = detector()
        await room_detector.start(None, room=rtc.Room())
        thread = threading.Thread(target=lambda: asyncio.run(room_detector.aclose()))
        thread.start()
        await until_on_loop(lambda: room_detector.status().state == "closed")
        await until_on_loop(lambda: not thread.is_alive())

    asyncio.run(main())


def test_a_state_cb_that_raises_is_logged_and_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A coroutine function is awaited."""
    told: list[str] = []

    async def told_later(status: Status) -> None:
        await asyncio.sleep(0)
        told.append(status.state)

    def raising(_status: Status) -> None:
        raise LookupError("mine")

    async def main() -> None:
        for callback, happened in ((raising, lambda: "LookupError: mine" in caplog.text), (told_later, lambda: told)):
            async with detector(state_cb=callback) as room_detector:
                await room_detector.start(None, room=rtc.Room())
                await until_on_loop(happened)

    asyncio.run(main())
    assert "LookupError: mine" in caplog.text
    assert told[0] == "waiting_for_room"


def test_a_monitor_that_fails_is_one_error_and_a_status(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is raised into the agent's loop, which can still close; until then the metrics count it as failed."""

    async def main() -> None:
        room_detector = detector()
        await room_detector.start(None, room=rtc.Room())
        assert room_detector._session is not None
        assert room_detector._session.reconciler is not None

        async def failing() -> None:
            raise LookupError("a fault of ours")

        # A fault that reality has not shown yet: a task of the tree's own block fails.
        room_detector._session.bridge.tell(room_detector._session.reconciler.nursery.start_soon, failing)
        await until_on_loop(lambda: room_detector.status().state == "failed")
        assert room_detector.status().reason == "LookupError"
        await until_on_loop(lambda: monitors("failed") == 1)
        assert monitors("running") == 0
        await room_detector.aclose()
        assert monitors("failed") == 0
        assert room_detector.status().state == "failed"
        assert trio_threads() == 0

    asyncio.run(main())
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in errors] == ["the monitor failed: nothing in the room is checked any more"]


def test_a_stuck_monitor_is_left_behind_within_five_seconds(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five seconds (here one) around everything; one WARNING. Then trio, which was only slow, ends by itself."""
    monkeypatch.setattr(_session, "CLOSE_WITHIN", 1.0)
    took = 0.0

    async def main() -> None:
        nonlocal took
        room_detector = detector()
        await room_detector.start(None, room=rtc.Room())
        assert room_detector._session is not None
        release = threading.Event()
        blocked = threading.Event()
        room_detector._session.bridge.tell(blocked.set)
        room_detector._session.bridge.tell(release.wait, 40)  # blocks trio's thread
        await until_on_loop(blocked.is_set)
        began = time.monotonic()
        await room_detector.aclose()
        took = time.monotonic() - began
        assert room_detector.status().state == "closed"
        release.set()
        await until_on_loop(lambda: trio_threads() == 0)

    asyncio.run(main())
    assert 0.9 < took < 20
    assert caplog.text.count("its thread is left behind") == 1


def test_two_detectors_in_one_process_close_one_by_one() -> None:
    """Also on two loops, as with LiveKit's thread executor."""
    states: list[str] = []

    async def job() -> None:
        first, second = detector(), detector()
        await asyncio.gather(first.start(None, room=rtc.Room()), second.start(None, room=rtc.Room()))
        await first.aclose()
        states.append(second.status().state)
        await second.aclose()

    threads = [threading.Thread(target=lambda: asyncio.run(job())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert states == ["waiting_for_room", "waiting_for_room"]
    assert trio_threads() == 0


def test_a_loop_that_ends_without_closing_takes_the_detector_with_it(caplog: pytest.LogCaptureFixture) -> None:
    """No thread stays, and nothing is restarted."""

    async def main() -> None:
        await detector().start(None, room=rtc.Room())

    asyncio.run(main())
    until(lambda: trio_threads() == 0)
    assert "the agent's loop is gone" in caplog.text


def test_the_room_of_a_fake_job_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """LiveKit's console and simulations give a mock for a room: without participants, nothing crashes."""
    from livekit.agents.ipc.mock_room import create_mock_room

    async def main() -> None:
        async with detector() as room_detector:
            await room_detector.start(None, room=create_mock_room())
            await asyncio.sleep(0.3)
            assert room_detector.status().state == "running"
            assert room_detector.status().tracks == ()

    asyncio.run(main())
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_made_before_a_fork_it_works_in_the_child_and_is_closed_in_the_other() -> None:
    """LiveKit forks job processes off one that has imported everything, and perhaps made a detector."""
    program = """
        import asyncio, os, sys, threading, time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from livekit.plugins.dataspike import DataspikeDetector

        class Room:  # the SDK's own must not be used on both sides of a fork
            remote_participants = {}
            connection_state = 0
            def isconnected(self): return False
            def on(self, *_): pass
            def off(self, *_): pass

        def detector():
            return DataspikeDetector(api_key="k", url="ws://127.0.0.1:9")

        async def child(fresh, started):
            await asyncio.wait_for(started.aclose(), 20)
            assert started.status().state == "closed"
            await fresh.start(None, room=Room())
            assert fresh.status().state == "waiting_for_room"
            await fresh.aclose()

        async def parent(fresh):
            started = detector()
            await started.start(None, room=Room())
            return started

        loop = asyncio.new_event_loop()
        fresh = detector()
        started = loop.run_until_complete(parent(fresh))
        pid = os.fork()
        if pid == 0:
            asyncio._set_running_loop(None)
            asyncio.run(child(fresh, started))
            os._exit(42)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        loop.run_until_complete(started.aclose())
        print(started.status().state)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.split() == ["42", "closed"], done.stderr
