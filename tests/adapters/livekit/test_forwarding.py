"""What permits pausing in a room, who subscribed, and what is sent to the SDK; without a server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import rtc
from livekit.agents import AgentSession
from livekit.plugins import dataspike
from livekit.plugins.dataspike import _forwarding
from livekit.plugins.dataspike._forwarding import Forwarding, ForwardingControl, TrackForwarding
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


def test_a_capture_that_gets_no_frame_asks_again(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost request must not leave a track unwatched."""
    monkeypatch.setattr(_forwarding, "REPEAT_AFTER", 0.01)

    async def body(loop: asyncio.AbstractEventLoop) -> None:
        control = started(loop, "on_demand")
        found = track(control)
        found.capture_began()
        assert sent == [False, True]
        await until_on_loop(lambda: sent == [False, True, False, True])
        found.capture_ended(frame=False)
        control.close()
        assert not found.paused

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
