"""Pseudonyms on the wire, and the way back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection import Privacy, Sample
from ds_actors.detection.events import WireResult
from ds_actors.detection.uplink.wire import decode_request, decode_result, encode_request, encode_result
from ds_actors.detection.uplink.wire_names import REMEMBERED, WireNames

NAMES = st.text(max_size=20)
PAIRS = st.tuples(NAMES, NAMES)


def sample(participant: str, track: str) -> Sample:
    return Sample(participant, track, 1, b"jpeg")


@given(st.lists(PAIRS, min_size=1, max_size=10), st.data())
def test_an_answer_about_a_pseudonym_gets_its_name(pairs: list[tuple[str, str]], data: st.DataObject) -> None:
    """Over the wire both ways, whatever the names are, lone surrogates too; every other answer has no name."""
    names = WireNames(bytes(32))
    sent = [decode_request(encode_request(names.hide(sample(*pair)))) for pair in pairs]
    for pair, request in zip(pairs, sent, strict=True):
        result = decode_result(encode_result(WireResult(4, request.participant, request.track, "said")))
        assert names.reveal(result) == WireResult(4, *pair, "said")
    stranger = WireResult(4, *data.draw(PAIRS), "said")
    assert names.reveal(stranger) == WireResult(4, "", "", "said")


@given(st.lists(st.text(min_size=1), unique=True, min_size=2, max_size=6))
def test_a_pseudonym_shows_nothing_but_that_two_names_are_the_same(names: list[str]) -> None:
    """One length, one alphabet, another for each name; a participant's is never a track's."""
    wire = WireNames(b"k" * 32)
    pseudonyms = [pseudonym for name in names for pseudonym in wire.of(name, name)]
    assert len(set(pseudonyms)) == 2 * len(names)
    assert {len(pseudonym) for pseudonym in pseudonyms} == {34}
    assert all(set(pseudonym[2:]) <= set("0123456789abcdef") for pseudonym in pseudonyms)
    assert [pseudonym for name in names for pseudonym in WireNames(b"k" * 32).of(name, name)] == pseudonyms


def test_two_calls_cannot_be_linked_unless_the_key_is_given() -> None:
    """Each monitor makes a key; the same key makes the same pseudonyms."""
    first, second = (Privacy(pseudonyms=True).wire_names() for _ in range(2))
    assert first is not None
    assert second is not None
    assert set(first.of("alice", "TR_1")).isdisjoint(second.of("alice", "TR_1"))
    given = Privacy(pseudonyms=True, key=b"k" * 16)
    again, once = given.wire_names(), given.wire_names()
    assert again is not None
    assert once is not None
    assert again.of("alice", "TR_1") == once.of("alice", "TR_1")


def test_the_way_back_is_bounded() -> None:
    """The track whose last sample is oldest is forgotten first."""
    names = WireNames(b"k" * 32)
    first, second = (names.of("p", track) for track in ("0", "1"))
    for track in range(REMEMBERED):
        names.hide(sample("p", str(track)))
    names.hide(sample("p", "0"))
    names.hide(sample("p", "new"))
    assert len(names) == REMEMBERED
    assert names.reveal(WireResult(1, *first)).track == "0"
    assert names.reveal(WireResult(1, *second)).track == ""
