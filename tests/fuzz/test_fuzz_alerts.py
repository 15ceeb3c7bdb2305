"""Alert packets: what strangers call themselves, and what the service says, on its way to the room."""

from __future__ import annotations

import json

from fuzzing import fuzzed
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection import ResultType, TrackInfo
from ds_actors.detection.events import MESSAGE_LIMIT, PAYLOAD_LIMIT, WireResult
from ds_actors.detection.levels.assessment import Assessments

CHARACTERS = st.characters(exclude_categories=()) | st.sampled_from('\x00\n\x1b\u202e\u2028\ud800\U0010ffff"\\')
LONG = st.builds(str.__mul__, st.text(CHARACTERS, max_size=8), st.integers(0, 9_999))
TEXTS = st.text(CHARACTERS, max_size=40) | LONG


@fuzzed("alerts")
@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, st.integers(-(2**31), 2**31 - 1))
def test_a_result_is_a_packet_that_the_room_can_read(
    identity: str, track: str, source: str, sid: str, message: str, number: int
) -> None:
    """One line of ASCII JSON under 15 KB with the documented keys; the message has no control character."""
    assessments = Assessments()
    assessments.add_track(TrackInfo(identity, track, source=source, participant_sid=sid), 0.0)
    applied = assessments.result(WireResult(number, identity, track, message), 1.0, 1_000)
    assert applied is not None
    line = applied.event.json()
    assert line.isascii()
    assert "\n" not in line
    assert len(line) < PAYLOAD_LIMIT
    packet = json.loads(line)
    assert list(packet)[:6] == ["type", "level", "participant_id", "track_id", "message", "timestamp_ms"]
    assert packet["level"] == ResultType.from_wire(number).level
    assert identity.startswith(packet["participant_id"])
    assert 0 < len(applied.event.message) <= MESSAGE_LIMIT
    assert applied.event.message.isprintable()
