"""The ledger of what was sent."""

from __future__ import annotations

import json

from attrs import fields

from ds_actors.detection.events import Sample
from ds_actors.detection.uplink.answers import Settled
from ds_actors.detection.uplink.ledger import ROWS, Ledger, LedgerRow
from ds_actors.detection.uplink.wire_names import WireNames


def test_a_row_says_who_when_and_how_much() -> None:
    """And goes into JSON as it is, whatever strangers call themselves."""
    ledger = Ledger()
    ledger.sent(Sample("eve\n\ud800", "TR_1", 1_000, b"\xff\xd8jpeg", 5.0), 1_250, 3)
    (row,) = ledger.rows()
    eve = "eve\n\ud800"
    assert row == LedgerRow(eve, "TR_1", 1_000, 1_250, "jpeg", 6, 3, participant_sent=eve, track_sent="TR_1")
    assert row.json().isascii()
    assert "\n" not in row.json()
    assert json.loads(row.json()) == row.dict()
    assert row.dict()["participant"] == eve


def test_a_row_has_the_names_here_and_those_on_the_wire() -> None:
    """With pseudonyms, which is which can be told later."""
    names = WireNames(b"k" * 16)
    ledger = Ledger(names)
    ledger.sent(Sample("alice", "TR_1", 1, b"", 0.0), 2)
    (row,) = ledger.rows()
    assert (row.participant, row.track) == ("alice", "TR_1")
    assert (row.participant_sent, row.track_sent) == names.of("alice", "TR_1")
    assert row.participant_sent != "alice"


def test_no_row_holds_a_pixel() -> None:
    """The data of a sample can be freed once it is sent: a row has texts and numbers only."""
    ledger = Ledger()
    ledger.sent(Sample("p", "T", 1, b"SECRET", 0.0, "pcm"), 2)
    (row,) = ledger.rows()
    assert all(isinstance(getattr(row, column.name), (str, int, type(None))) for column in fields(LedgerRow))
    assert "SECRET" not in repr(ledger)


def test_the_last_thousand_are_kept_and_all_are_counted() -> None:
    """The oldest go."""
    ledger = Ledger()
    for n in range(ROWS + 5):
        ledger.sent(Sample("p", "T", n, b"", 0.0), n)
    assert (ledger.total, len(ledger.rows())) == (1_005, 1_000)
    assert [row.captured_ms for row in (ledger.rows()[0], ledger.rows()[-1])] == [5, 1_004]


def test_a_row_says_what_became_of_its_sample() -> None:
    """By the sample's number, also when older rows were dropped; a sample whose row is gone changes nothing."""
    ledger = Ledger()
    for n in range(ROWS + 5):
        ledger.sent(Sample("p", "T", n, b"", 0.0), n)
    ledger.settle(Settled(ROWS + 5, "answered", "alert", 0.25))
    ledger.settle(Settled(6, "lost"))
    ledger.settle(Settled(5, "lost"))
    first, *others, last = ledger.rows()
    assert (first.outcome, first.answer, first.latency) == ("lost", "", None)
    assert (last.outcome, last.answer, last.latency) == ("answered", "alert", 0.25)
    assert {row.outcome for row in others} == {"outstanding"}
