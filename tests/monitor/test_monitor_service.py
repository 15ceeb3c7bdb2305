"""A live monitor with a service that refuses, flaps, stalls or sends garbage, and its log."""

from __future__ import annotations

import itertools
import logging
import math
from collections import Counter
from functools import partial

import monitor_kit as kit
import pytest
import trio
import trio.testing
from monitor_kit import Service

from ds_actors.detection import AdaptiveSampling, Coverage, Dataspike, Frame, Monitor, Status
from ds_actors.detection.uplink.connection import open_websocket
from ds_actors.detection.uplink.outbox import WINDOW
from ds_actors.testing import run_virtual

OURS = "ds_actors.detection"


class StateLog(list[tuple[str, str]]):
    """The pairs of states that `state_cb` was called with, without repetition."""

    def __call__(self, status: Status) -> None:
        if self[-1:] != [(status.state, status.uplink.state)]:
            self.append((status.state, status.uplink.state))


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name == OURS]


def test_a_service_that_accepts_and_closes_is_said_once_in_five_minutes(caplog: pytest.LogCaptureFixture) -> None:
    """Half an hour of it: never "back", no error, a few reminders; and one call back when it answers at last."""
    caplog.set_level(logging.INFO, OURS)

    async def body(service: Service, monitor: Monitor) -> None:
        service.close_code = 1011
        await kit.add(monitor, "B")
        await trio.sleep(1_800)
        said = lines(caplog)
        assert len(service.attempts) > 200
        assert {level for level, _ in said} == {"WARNING"}
        assert 6 <= len(said) <= 8
        service.close_code = None
        await trio.sleep(60)
        seen, back = lines(caplog)[len(said) :]
        assert (back[0], seen[0]) == ("INFO", "INFO")
        assert "is back after 18" in back[1]
        assert "is left unchecked" in seen[1]

    kit.run(body)


def test_a_refusal_by_close_code_is_one_error_and_rare_probes(caplog: pytest.LogCaptureFixture) -> None:
    """The upgrade was accepted, the key was not: the state is refused until an answer comes, and is logged once."""
    caplog.set_level(logging.INFO, OURS)
    told = StateLog()

    async def body(service: Service, monitor: Monitor) -> None:
        service.close_code = 4401
        await kit.add(monitor, "B")
        await trio.sleep(3_600)
        gaps = [b - a for a, b in itertools.pairwise(service.attempts)]
        assert gaps[:6] == pytest.approx([30, 60, 120, 240, 300, 300])
        status = monitor.status()
        assert (status.state, status.uplink.state) == ("refused", "refused")
        assert "4401" in status.reason
        errors = [text for level, text in lines(caplog) if level == "ERROR"]
        assert len(errors) == 1
        assert "DATASPIKE_API_KEY" in errors[0]
        assert len(lines(caplog)) <= 13
        service.close_code = None
        await trio.sleep(301)
        assert (monitor.status().state, monitor.status().reason) == ("running", "")

    kit.run(body, state_cb=told)
    up = [("running", "connecting"), ("running", "up")]
    assert told == [*up, ("refused", "refused"), ("running", "up"), ("closed", "down")]


def test_going_blind_and_seeing_again_are_told_once_each() -> None:
    """One call for each change of state or of the uplink's, for any number of attempts; errors have no effect."""
    told = StateLog()

    def raising(status: Status) -> None:
        told(status)
        raise OSError("the view is gone")

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        await trio.sleep(10)
        service.reachable = False
        await service.links[-1].aclose()
        await trio.sleep(600)
        assert len(service.attempts) > 60
        service.reachable = True
        await trio.sleep(60)
        assert monitor.coverage("B") is Coverage.CHECKED

    with kit.without_log():
        kit.run(body, state_cb=raising)
    states = ["connecting", "up", "down", "up"]  # closing is not an outage
    assert told == [*(("running", state) for state in states), ("closed", "down")]


def test_where_there_is_nothing_to_judge_pongs_show_that_the_service_is_back(caplog: pytest.LogCaptureFixture) -> None:
    """In a room without tracks no result ever comes."""
    caplog.set_level(logging.INFO, OURS)

    async def body(service: Service, monitor: Monitor) -> None:
        await trio.sleep(1)
        service.reachable = False
        await service.links[-1].aclose()
        await trio.sleep(30)
        service.reachable = True
        await trio.sleep(90)
        assert (monitor.status().uplink.state, monitor.status().uplink.attempts) == ("up", 0)
        assert "is back after" in caplog.text

    kit.run(body)


@pytest.mark.parametrize(("lasts", "waits"), [(1.0, [0.25, 0.5, 1.0, 2.0, 4.0]), (11.0, [0.25] * 5)])
def test_ten_seconds_of_connection_reset_the_backoff(lasts: float, waits: list[float]) -> None:
    """Not the seconds that connecting took."""
    cuts, starts = list[float](), list[float]()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            service = Service(nursery)

            async def connect(settings: Dataspike) -> trio.abc.Stream:
                starts.append(trio.current_time())
                await trio.sleep(9.3)
                stream = await service.connect(settings)
                nursery.start_soon(cut, stream)
                return stream

            async def cut(stream: trio.abc.Stream) -> None:
                await trio.sleep(lasts)
                cuts.append(trio.current_time())
                await stream.aclose()

            async with kit.monitor_of(service, connect=connect) as monitor:
                await kit.add(monitor, "A")
                await trio.sleep(160)
                assert service.samples
            nursery.cancel_scope.cancel()

    run_virtual(main)
    assert [b - a for a, b in zip(cuts, starts[1:], strict=False)][:5] == pytest.approx(waits)


def test_who_is_suspected_comes_first_after_an_outage() -> None:
    """Of thirty who want a turn, in the first window of turns: those are captured side by side, in any order."""

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, *(f"B{n}" for n in range(28)), "A", "C")
        await trio.sleep(20)
        service.reachable = False
        await service.links[-1].aclose()
        await trio.sleep(60)
        before = len(service.samples)
        service.reachable = True
        await trio.sleep(60)
        first = [sample.track for _, sample in service.samples[before : before + WINDOW]]
        assert {"A", "C"} < set(first)
        assert len(set(first)) == WINDOW

    kit.run(body)


def test_an_upgrade_that_is_not_answered_is_given_up_after_ten_seconds() -> None:
    """A machine that accepts connections and says nothing: the next attempt follows by the ordinary backoff."""
    attempts: list[float] = []
    ends: list[trio.abc.Stream] = []

    async def main() -> None:
        async def connect(_settings: Dataspike) -> trio.abc.Stream:
            attempts.append(trio.current_time() - began)
            ours, theirs = trio.testing.memory_stream_pair()
            ends.append(theirs)
            return ours

        began = trio.current_time()
        async with Monitor(service=kit.KEY, connect=connect, random=lambda: 0.5) as monitor:
            await trio.sleep(21)
            assert "no accepted upgrade within 10 s" in monitor.status().uplink.cause

    with kit.without_log():
        run_virtual(main)
    assert attempts == pytest.approx([0.0, 10.25, 20.75])


def test_closing_does_not_wait_for_a_connect(caplog: pytest.LogCaptureFixture) -> None:
    """Ctrl-C during an outage ends at once, without a log line."""

    async def connect(_service: Dataspike) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            async with kit.monitor_of(Service(nursery), connect=connect):
                await trio.sleep(3)
            assert trio.current_time() == pytest.approx(3)

    run_virtual(main)
    assert not caplog.records


def test_a_send_that_moves_no_byte_ends_the_connection() -> None:
    """After ten seconds; its sample is too old to be sent again, and is counted."""

    async def body(service: Service, monitor: Monitor) -> None:
        await trio.sleep(0.1)
        service.links[-1].seconds = math.inf
        await kit.add(monitor, "B")
        began = trio.current_time()
        await trio.sleep(10.2)
        assert "a send moved no byte for 10 s" in monitor.status().uplink.cause
        await trio.sleep(10)
        assert list(service.attempts) == pytest.approx([0.0, began + 10.25])
        account = monitor.status().uplink
        assert account.dropped["stale"] == 1
        assert account.sent == len(service.samples) > 0
        assert kit.adds_up(monitor)

    kit.run(body)


def test_behind_half_a_message_nothing_is_sent_any_more() -> None:
    """The service would read a close frame as the rest of the message."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            service = Service(nursery)
            async with open_websocket(kit.KEY, connect=service.connect) as websocket:
                (link,) = service.links
                link.seconds = math.inf
                with trio.move_on_after(1):
                    await websocket.send_message(b"x" * 10_000)
                link.seconds = 0.0
                link.sent = 0
            assert link.sent == 0
            nursery.cancel_scope.cancel()

    run_virtual(main)


def test_a_slow_link_that_moves_bytes_is_alive() -> None:
    """Nine seconds for each piece of a sample, for minutes."""

    async def encode(_frame: Frame, _quality: int, _max_side: int | None) -> bytes:
        await trio.lowlevel.checkpoint()
        return bytes(4 * 1024)

    async def body(service: Service, monitor: Monitor) -> None:
        await trio.sleep(0.1)
        service.links[-1].seconds = 9.0
        await kit.add(monitor, "B")
        await trio.sleep(400)
        assert len(service.attempts) == 1
        assert len(service.samples) > 3

    kit.run(body, encode=encode)


def test_a_hundred_malformed_messages_in_a_row_end_the_connection() -> None:
    """Ninety-nine do not, a well-formed one restarts the count, and all are counted."""

    async def nonsense(service: Service, count: int) -> None:
        for n in range(count):
            await service.connections[-1].send_message("text" if n % 2 else b"\xff\xff")
        await trio.testing.wait_all_tasks_blocked()

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        await trio.sleep(1)
        await nonsense(service, 99)
        await service.say(2, "B")
        await nonsense(service, 99)
        await trio.sleep(1)
        assert len(service.attempts) == 1
        await nonsense(service, 1)
        assert "100 malformed messages in a row" in monitor.status().uplink.cause
        await trio.sleep(10)
        assert len(service.attempts) == 2
        assert monitor.status().uplink.malformed == 199
        assert monitor.coverage("B") is Coverage.CHECKED

    kit.run(body)


def test_the_round_trip_is_in_the_status() -> None:
    """From the send's return to the answer; a second answer to the same sample measures nothing."""

    async def body(service: Service, monitor: Monitor) -> None:
        service.answers_after = 0.25
        await kit.add(monitor, "B")
        assert monitor.status().uplink.round_trip is None
        await trio.sleep(0.3)
        assert monitor.status().uplink.round_trip == pytest.approx(0.25)
        await service.say(2, "B")
        await trio.sleep(3)
        assert monitor.status().uplink.round_trip == pytest.approx(0.25)

    kit.run(body, sampling=partial(AdaptiveSampling, 0.2, 0.2))


def test_the_ledger_has_what_the_service_got() -> None:
    """Every sample whose send returned, in that order, and none that was dropped; also after the close."""
    monitors: list[Monitor] = []

    async def body(service: Service, monitor: Monitor) -> None:
        monitors.append(monitor)
        await kit.add(monitor, "A", "B")
        await trio.sleep(30)
        service.links[-1].seconds = math.inf
        await trio.sleep(60)
        sent = [
            (sample.participant, sample.track, sample.timestamp_ms, sample.format, 4) for _, sample in service.samples
        ]
        rows = monitor.ledger()
        assert [(row.participant, row.track, row.captured_ms, row.format, row.size) for row in rows] == sent
        assert all(row.sent_ms >= row.captured_ms for row in rows)
        assert len(rows) == monitor.status().uplink.sent < monitor.status().uplink.due

    kit.run(body, ledger=True)
    assert monitors[0].ledger()


def test_without_being_asked_nothing_is_kept_of_what_was_sent() -> None:
    """The error says how to ask."""
    with pytest.raises(RuntimeError, match="ledger=True"):
        Monitor(service=kit.KEY).ledger()


def test_what_was_sent_is_answered_unanswered_or_lost_with_its_connection() -> None:
    """In the status and, sample by sample, in the ledger."""

    async def body(service: Service, monitor: Monitor) -> None:
        service.silent.add("C")
        await kit.add(monitor, "A", "C")
        await trio.sleep(52)
        assert kit.adds_up(monitor)
        before = monitor.status().uplink
        assert (before.lost, before.unanswered) == (0, 5)  # C's samples of the first 22 s
        service.silent.add("A")
        await trio.sleep(6)
        await service.links[-1].aclose()
        await trio.sleep(1)
        after = monitor.status().uplink
        assert after.lost > before.outstanding  # C's, and those of A since it got no answer
        assert kit.adds_up(monitor)
        service.silent.clear()
        await trio.sleep(20)
        assert kit.adds_up(monitor)
        rows = monitor.ledger()
        count = Counter(row.outcome for row in rows)
        account = monitor.status().uplink
        assert (count["answered"], count["unanswered"], count["lost"], count["outstanding"]) == (
            account.answered,
            account.unanswered,
            account.lost,
            account.outstanding,
        )
        assert {row.answer for row in rows if row.track == "A" and row.outcome == "answered"} == {"alert"}
        assert {row.connection for row in rows} == {1, 2}

    kit.run(body, ledger=True)
