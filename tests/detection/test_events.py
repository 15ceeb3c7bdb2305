"""What a result event says to the outside."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.events import PAYLOAD_LIMIT, Level, ResultEvent, ResultType, clean_message, plain

KEYS = ["type", "level", "participant_id", "track_id", "message", "timestamp_ms"]


def event(**changes: str) -> ResultEvent:
    texts: dict[str, Any] = {"participant_id": "alice", "track_id": "TR_1", "message": "so it is", **changes}
    return ResultEvent(ResultType.ALERT, timestamp_ms=7, previous_level=Level.CLEAR, **texts)


def test_the_payload_has_the_six_documented_keys_in_their_order_then_three_more() -> None:
    """A receiver written from the documentation finds everything."""
    payload = event(participant_sid="PA_1", source="camera").dict()
    assert list(payload) == [*KEYS, "participant_sid", "source", "previous_level"]
    assert list(payload.values()) == [
        "deepfake_alert",
        "alert",
        "alice",
        "TR_1",
        "so it is",
        7,
        "PA_1",
        "camera",
        "clear",
    ]
    assert all(type(value) in (str, int) for value in payload.values())


def test_the_evidence_is_in_the_payload_when_there_is_some() -> None:
    """The number of samples has one decimal place; half an evidence is none."""
    plain_payload = event().dict()
    judged = evolve(event(), confidence=0.93, samples=12.3456, reliable=True)
    assert judged.dict() == {**plain_payload, "confidence": 0.93, "samples": 12.3, "reliable": True}
    assert evolve(judged, samples=None).dict() == plain_payload
    assert evolve(judged, confidence=None).dict() == plain_payload


def test_the_older_form_has_four_keys() -> None:
    """As version 1.2.17 names them."""
    assert event().to_dict() == {
        "type": "ALERT",
        "participantId": "alice",
        "trackId": "TR_1",
        "message": "so it is",
    }


@pytest.mark.parametrize("character", ["x", '"', "\\", "\x00", "\u00e9", "\U0001f600", "\ud800"])
@pytest.mark.parametrize("length", [0, 400, 1_024, 4_900, 50_000])
def test_no_names_make_the_payload_15_kb(character: str, length: int) -> None:
    """Also when all of a stranger's texts are long at once, and of what escapes to most bytes."""
    hostile = character * length
    line = event(
        participant_id=hostile, track_id=hostile, participant_sid=hostile, source=hostile, message=hostile
    ).json()
    assert line.isascii()
    assert len(line) < PAYLOAD_LIMIT
    assert list(json.loads(line))[:6] == KEYS


@pytest.mark.parametrize("character", ["x", '"', "\U0001f600"])
@pytest.mark.parametrize(
    ("name", "share"),
    [("participant_id", 2_000), ("track_id", 2_000), ("participant_sid", 2_000), ("source", 2_000), ("message", 6_000)],
)
def test_a_text_that_is_too_long_keeps_its_beginning_and_leaves_the_others_whole(
    name: str, share: int, character: str
) -> None:
    """Whole characters, counted as they are escaped: a name has 2,000 bytes of the payload, the message 6,000."""
    hostile = event(**{"participant_sid": "PA_1", "source": "camera", name: character * 20_000})
    escaped = len(json.dumps(character)) - 2
    assert json.loads(hostile.json()) == {**hostile.dict(), name: character * (share // escaped)}


@pytest.mark.parametrize(("room_left", "whole"), [(1, True), (0, False)])
def test_a_payload_is_cut_from_15_000_bytes_on(room_left: int, whole: bool) -> None:
    """A longer message than its share may stay while the names are short."""
    length = PAYLOAD_LIMIT - len(event(message="").json()) - room_left
    line = event(message="x" * length).json()
    assert (json.loads(line)["message"] == "x" * length) is whole


@given(st.text(max_size=200), st.text(max_size=1_024))
def test_what_fits_is_not_cut(who: str, message: str) -> None:
    """An identity must stay one that the receiver can find in the room."""
    hostile = event(participant_id=who, message=message)
    if len(json.dumps(hostile.dict())) < PAYLOAD_LIMIT:
        assert json.loads(hostile.json()) == hostile.dict()


@given(st.text(alphabet=st.characters(), max_size=200), st.none() | st.integers(0, 50))
def test_plain_leaves_no_control_format_or_surrogate_character(text: str, limit: int | None) -> None:
    """What is left can be written as UTF-8 on one line, and plain has nothing more to remove from it."""
    kept = plain(text, limit)
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in kept)
    assert plain(kept) == kept
    assert limit is None or len(kept) <= limit
    kept.encode()


@pytest.mark.parametrize("level", list(Level))
def test_an_empty_message_becomes_a_sentence_for_every_level(level: Level) -> None:
    """Nothing at all, blanks, and control characters alone count as empty."""
    sentences = {clean_message(text, level) for text in ("", "  ", "\x00\n\u202e")}
    assert len(sentences) == 1
    assert sentences.pop().endswith(".")
    assert clean_message("x" * 5_000, level) == "x" * 1_024


def test_levels_are_ordered_by_severity_and_only_verdicts_count() -> None:
    """As the contract lists them; unknown and error share the lowest place."""
    assert [Level(name).severity for name in ("unknown", "error", "clear", "suspicious", "alert")] == [0, 0, 1, 2, 3]
    assert {level for level in Level if level.is_verdict} == {Level.CLEAR, Level.SUSPICIOUS, Level.ALERT}
    assert {level for level in Level if level.elevated} == {Level.SUSPICIOUS, Level.ALERT}


def test_the_types_have_the_numbers_of_the_wire() -> None:
    """Another program's code reads them too."""
    numbers = {kind.name: int(kind) for kind in ResultType}
    assert numbers == {"UNKNOWN": 0, "SUSPICIOUS": 1, "CLEAR": 2, "ERROR": 3, "ALERT": 4}


@given(st.integers())
def test_a_number_not_known_yet_is_unknown(number: int) -> None:
    """The wire may learn new results before this version does."""
    known = {1: "suspicious", 2: "clear", 3: "error", 4: "alert"}
    assert ResultType.from_wire(number).level == known.get(number, "unknown")


@pytest.mark.parametrize("level", list(Level))
def test_every_level_has_a_type_of_its_name(level: Level) -> None:
    """A stand-in for the service answers with it."""
    assert ResultType.from_level(level).level is level
