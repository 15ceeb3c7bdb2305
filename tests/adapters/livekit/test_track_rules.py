"""The host's choices: what they may be, and what a function of the host's may do."""

from __future__ import annotations

import inspect
import logging
import time
from typing import Any
from unittest.mock import Mock

import pytest
from livekit import rtc
from livekit.plugins.dataspike._rules import SOURCES, VIDEO_SOURCES, TrackRules, track_info

LOGGER = "livekit.plugins.dataspike"
ALICE = Mock(kind=rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD, identity="alice", sid="PA", attributes={})


def camera(source: int = rtc.TrackSource.SOURCE_CAMERA) -> Any:
    return Mock(kind=rtc.TrackKind.KIND_VIDEO, source=source, sid="TR", encryption_type=rtc.EncryptionType.NONE)


@pytest.mark.parametrize("answer", [True, 1, "yes"])
def test_what_the_host_answers_counts_as_yes_or_no(answer: object) -> None:
    """Any value does, as in an if."""
    asked: list[object] = []

    def consent(participant: rtc.RemoteParticipant) -> Any:
        asked.append(participant)
        return answer

    assert TrackRules(consent=consent).consents(ALICE) is True
    assert asked == [ALICE]
    assert TrackRules(consent=lambda _: None).consents(ALICE) is False  # type: ignore[arg-type,return-value]
    assert TrackRules(track_filter=lambda _p, _q: False).refusal(camera(), ALICE) == "track_filter said no"
    assert TrackRules(track_filter=lambda _p, _q: True).refusal(camera(), ALICE) == ""


def test_a_function_that_raises_means_no_and_is_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the two on its own; with its traceback, so that the host finds the line."""
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def fails(*_: object) -> bool:
        raise LookupError("no such guest")

    rules = TrackRules(consent=fails, track_filter=fails)
    with caplog.at_level(logging.ERROR, LOGGER):
        for _ in range(3):
            assert rules.consents(ALICE) is False
        assert rules.refusal(camera(), ALICE) == "track_filter said no"
        now += 60.0
        assert rules.consents(ALICE) is False
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"{name} failed, which counts as no" for name in ("consent", "track_filter", "consent")]
    assert all(record.exc_info is not None and record.exc_info[0] is LookupError for record in caplog.records)


def test_an_awaitable_is_no_answer_and_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    """A lambda around a coroutine function shows only when it is called; nothing is left that was never awaited."""

    async def decide() -> bool:
        raise AssertionError

    coroutine = decide()
    with caplog.at_level(logging.ERROR, LOGGER):
        assert TrackRules(consent=lambda _: coroutine).consents(ALICE) is False  # type: ignore[arg-type,return-value]
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
    assert "consent must return True or False" in caplog.text


@pytest.mark.parametrize("name", ["consent", "track_filter"])
def test_only_a_plain_function_can_be_asked(name: str) -> None:
    """The loop cannot wait for another, nor call what is none."""

    async def decide(*_: object) -> bool:
        raise AssertionError

    for wrong in (decide, True, "alice"):
        with pytest.raises(TypeError, match=f"^{name} must be a plain function"):
            TrackRules(**{name: wrong})  # type: ignore[arg-type]
    TrackRules(**{name: lambda *_: True})  # type: ignore[arg-type]


def test_sources_are_those_of_video() -> None:
    """Each of them, all or none; a string is a collection of letters."""
    TrackRules(sources=VIDEO_SOURCES)
    TrackRules(sources=())
    for wrong in ("microphone", "webcam"):
        with pytest.raises(ValueError, match=f"^sources may hold unknown, camera, screen_share, not '{wrong}'$"):
            TrackRules(sources=["camera", wrong])
    with pytest.raises(TypeError, match=r"sources=\('camera',\)"):
        TrackRules(sources="camera")


def test_every_source_has_its_name_and_the_next_number_none() -> None:
    """A newer server may know more."""
    named = [track_info(camera(number), ALICE).source for number in range(len(SOURCES) + 1)]
    assert named == [*SOURCES, "unknown"]
