"""What permits pausing in a room, who subscribed, and what is sent to the SDK; without a server."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import rtc
from livekit.agents import AgentSession
from livekit.plugins import dataspike
from livekit.plugins.dataspike import _forwarding, _layers
from livekit.plugins.dataspike._forwarding import Forwarding, ForwardingControl, TrackForwarding
from livekit.plugins.dataspike._subscriptions import PATIENCE, SESSION_PATIENCE
from waiting import until_on_loop

Sent = list[bool]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The requests to the SDK, as `enabled`."""
    requests: Sent = []

    def request(_publication: object, *, enabled: bool) -> None:
        requests.append(enabled)

    monkeypatch.setattr(_forwarding, "set_enabled", request)
    return requests


def publication(sid: str = "TR", kind: int = rtc.TrackKind.KIND_VIDEO, *, simulcasted: bool = False) -> Any:
    found = SimpleNamespace(sid=sid, kind=kind, subscriptions=[], simulcasted=simulcasted)
    found.mime_type, found.width, found.height = "video/VP8", 1280, 720
    found.set_subscribed = found.subscriptions.append
    return found


def session(video: object = None) -> AgentSession[Any]:
    return cast("AgentSession[Any]", SimpleNamespace(input=SimpleNamespace(video=video)))


def run(body: Callable[[asyncio.AbstractEventLoop], Awaitable[None]]) -> None:
    async def main() -> None:
        await body(asyncio.get_running_loop())

    asyncio.run(main())


def started(
    loop: asyncio.AbstractEventLoop, forwarding: Forwarding, host: AgentSession[Any] | None = None
) -> ForwardingControl:
    control = ForwardingControl(loop, forwarding)
    control.start(host, connected=True)
    return control


def track(control: ForwardingControl, *, alone: bool = True) -> TrackForwarding:
    """A track whose next sample is due in an hour, and whose last one was just taken."""
    found = control.track(publication(), lambda: alone)
    assert found is not None
    found.expect(time.monotonic() + 3600, True)
    found.capture_began()
    found.capture_ended(frame=True)
    return found


@pytest.mark.parametrize(
    ("forwarding", "alone", "video", "pauses"),
    [
        ("on_demand", False, "a camera", True),
        ("auto", True, None, True),
        ("auto", False, None, False),
        ("auto", True, "a camera", False),
    ],
)
def test_what_permits_pausing(sent: Sent, forwarding: Forwarding, alone: bool, video: object, pauses: bool) -> None:
    """On demand always; with auto only where the detector alone can need the track."""

    async def body(loop: asyncio.AbstractEventLoop) -> None:
        control = started(loop, forwarding, session(video))
        assert track(control, alone=alone).paused is pauses
        assert sent == [False] * pauses
        control.close()
        assert sent == [False, True][: 2 * pauses]

    run(body)


def test_always_asks_for_nothing() -> None:
    """There is not even an object per track."""

    async def body(loop: asyncio.AbstractEventLoop) -> None:
        assert started(loop, "always").track(publication(), lambda: True) is None

    run(body)


def test_without_the_request_in_the_sdk_tracks_are_forwarded_always(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One INFO line says so."""
    monkeypatch.setattr(_forwarding, "sdk_can_pause", lambda: False)

    async def body(loop: asyncio.AbstractEventLoop) -> None:
        with caplog.at_level(logging.INFO):
            control = started(loop, "on_demand")
        assert control.track(publication(), lambda: True) is None
        assert control.patience == 0.0

    run(body)
    assert [record.levelname for record in caplog.records if "cannot pause" in record.message] == ["INFO"]


def test_the_installed_sdk_has_the_request() -> None:
    """A new SDK without it would go unnoticed otherwise."""
    assert _forwarding.sdk_can_pause()


def test_a_session_that_takes_video_later_gets_its_tracks(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session announces nothing, so the control looks."""
    monkeypatch.setattr(_forwarding, "LOOK_EVERY", 0.01)

    async def body(loop: asyncio.AbstractEventLoop) -> None:
        host = session()
        control = started(loop, "auto", host)
        found = track(control)
        assert control.paused == {"TR"}
        cast("Any", host).input.video = "a camera"
        await until_on_loop(lambda: not found.paused)
        assert sent == [False, True]
        assert control.patience == 0.0
        control.close()

    run(body)


def test_a_reconnect_resumes_all_tracks_and_asks_once_more(sent: Sent) -> None:
    """The request that is sent while the room reconnects may be lost, and the SDK ignores one that changes nothing."""

    async def body(loop: asyncio.AbstractEventLoop) -> None:
        control = started(loop, "on_demand")
        found = track(control)
        control.connection_changed(connected=False)
        assert sent == [False, True]
        assert not found.paused
        del sent[:]
        control.connection_changed(connected=True)
        assert sent[-1:] == [False], "permitted again, and nothing is due"
        control.close()
        assert sent[-1:] == [True]

    run(body)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes that the SDK is asked for."""
    requests: list[tuple[int, int]] = []

    def request(_publication: object, width: int, height: int) -> None:
        requests.append((width, height))

    monkeypatch.setattr(_layers, "request_size", request)
    return requests


def test_a_capture_that_gets_no_frame_asks_again(
    sent: Sent, sizes: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost request must not leave a track unwatched; and a track that only waits must not be paused by it."""
    monkeypatch.setattr(_forwarding, "CONFIRM_AFTER", 3600.0)
    monkeypatch.setattr(_forwarding, "REPEAT_AFTER", 0.01)

    async def body(loop: asyncio.AbstractEventLoop) -> None:
        control = started(loop, "on_demand")
        found = track(control)
        found.capture_began()
        assert sent == [False, True]
        await until_on_loop(lambda: sizes == [(1280, 720)])
        assert sent == [False, True, True]
        found.capture_ended(frame=False)
        control.close()
        assert not found.paused

    run(body)


def test_a_resumption_is_repeated_unless_a_pause_follows(
    sent: Sent, sizes: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after the track was released, for what else reads it."""
    monkeypatch.setattr(_forwarding, "CONFIRM_AFTER", 0.01)

    async def body(loop: asyncio.AbstractEventLoop) -> None:
        control = started(loop, "on_demand")
        found = track(control)
        found.capture_began()
        found.capture_ended(frame=True)
        assert sent == [False, True, False]
        await asyncio.sleep(0.05)
        assert not sizes
        control.close()
        assert sent == [False, True, False, True]
        await until_on_loop(lambda: len(sizes) == 1)

    run(body)


class UnorderedSdk:
    """The SDK as it is: a task of its own sends each request, and the server does what comes last."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: int) -> None:
        self._loop, self._random = loop, random.Random(seed)
        self.under_way = 0
        self.enabled = self.forwarded = True
        self.overtaken = False
        """Whether the server came to believe something else than the SDK."""

    def set_enabled(self, _publication: object, *, enabled: bool) -> None:
        if enabled != self.enabled:
            self.enabled = enabled
            self._send(lambda: enabled)

    def request_size(self, _publication: object, _width: int, _height: int) -> None:
        self._send(lambda: self.enabled)

    def _send(self, read: Callable[[], bool]) -> None:
        self.under_way += 1
        # From when it was sent, not from when a busy loop comes to it: a stall must not change the order.
        read_at = self._loop.time() + self._random.uniform(0, 0.02)
        arrives_at = read_at + self._random.uniform(0, 0.02)
        self._loop.call_at(read_at, lambda: self._loop.call_at(arrives_at, self._arrive, read()))

    def _arrive(self, enabled: bool) -> None:
        self.under_way -= 1
        self.forwarded = enabled
        self.overtaken = self.overtaken or enabled != self.enabled


@pytest.mark.parametrize("simulcasted", [False, True])
@pytest.mark.parametrize("released", [False, True])
def test_a_request_that_another_overtakes_leaves_no_track_paused(
    monkeypatch: pytest.MonkeyPatch, simulcasted: bool, released: bool
) -> None:
    """As when a verdict resumes a track that was paused a moment ago: the server ends with what was asked last."""
    monkeypatch.setattr(_forwarding, "CONFIRM_AFTER", 0.05)

    async def body(loop: asyncio.AbstractEventLoop) -> None:
        sdks = {seed: UnorderedSdk(loop, seed) for seed in range(40)}

        def set_enabled(found: Any, *, enabled: bool) -> None:
            sdks[found.sid].set_enabled(found, enabled=enabled)

        def request_size(found: Any, width: int, height: int) -> None:
            sdks[found.sid].request_size(found, width, height)

        monkeypatch.setattr(_forwarding, "set_enabled", set_enabled)
        monkeypatch.setattr(_layers, "request_size", request_size)
        control = ForwardingControl(loop, "on_demand", 324)
        control.start(None, connected=True)
        for seed in sdks:
            found = control.track(publication(cast("str", seed), simulcasted=simulcasted), lambda: True)
            assert found is not None
            found.expect(time.monotonic() + 5.0, True)
            found.capture_began()
            found.capture_ended(frame=True)
            assert found.paused
            if released:
                found.release()
            else:
                found.expect(time.monotonic() + 1.0, False)
            assert not found.paused
        await until_on_loop(lambda: any(sdk.overtaken for sdk in sdks.values()))
        await asyncio.sleep(0.2)
        await until_on_loop(lambda: all(sdk.forwarded and not sdk.under_way for sdk in sdks.values()))
        control.close()

    run(body)


def test_a_released_track_and_a_closed_control_pause_nothing(sent: Sent) -> None:
    """The track is forwarded, and a plan that arrives afterwards changes nothing."""

    async def body(loop: asyncio.AbstractEventLoop) -> None:
        control = started(loop, "on_demand")
        found = track(control)
        found.release()
        assert sent == [False, True]
        assert control.paused == set()
        control.close()
        assert not track(control).paused
        assert sent == [False, True]

    run(body)


def test_a_request_that_fails_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The publication may be gone."""

    def fail(_publication: object, *, enabled: bool) -> None:
        raise AssertionError(enabled)

    monkeypatch.setattr(_forwarding, "set_enabled", fail)

    async def body(loop: asyncio.AbstractEventLoop) -> None:
        control = started(loop, "on_demand")
        track(control).release()
        control.close()

    run(body)


def test_the_parameter_is_checked() -> None:
    """The error names the three values."""
    with pytest.raises(ValueError, match="'always', 'on_demand' or 'auto', not 'never'"):
        dataspike.DataspikeDetector(api_key="k", forwarding=cast("Forwarding", "never"))


@pytest.mark.parametrize(
    ("forwarding", "host", "patience"),
    [
        ("auto", None, PATIENCE),
        ("auto", session(), SESSION_PATIENCE),
        ("auto", session("a camera"), 0.0),
        ("on_demand", session(), 0.0),
        ("always", None, 0.0),
    ],
)
def test_a_session_that_probably_subscribes_to_everything_is_waited_for_longer(
    forwarding: Forwarding, host: AgentSession[Any] | None, patience: float
) -> None:
    """Under load its tracks come late, and the first to ask must not take itself for the only reader."""

    async def body(loop: asyncio.AbstractEventLoop) -> None:
        control = started(loop, forwarding, host)
        assert control.patience == patience
        control.close()

    run(body)
