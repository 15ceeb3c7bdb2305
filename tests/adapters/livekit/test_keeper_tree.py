"""The keeper's tree in virtual time: looks, actions, a server that fails; what its log and metrics say."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import pytest
import trio
from attrs import define, field
from livekit.plugins.dataspike.keeper.actors import build_keeper_tree
from livekit.plugins.dataspike.keeper.records import NAMED, KeeperRecord, quoted
from livekit.plugins.dataspike.keeper.rooms import ServerUnavailable
from livekit.plugins.dataspike.keeper.rules import AT_ONCE, SETTLE, RoomAction, SeenDetector, SeenRoom
from livekit.plugins.dataspike.keeper.status import KeeperCollector, KeeperStatus
from prometheus_client import CollectorRegistry, generate_latest
from trio.testing import MockClock

EVERY = 2.0
HOSTILE = "\x1b[2Jroom\nWARNING all is well\u202e"


@define(eq=False)
class FakeServer:
    """Rooms, by name the identities of their detectors."""

    rooms: dict[str, list[str]]
    joins: bool = True
    unavailable: bool = False
    hangs: bool = False
    left_out: int = 0
    looks: int = 0
    performed: list[RoomAction] = field(factory=list[RoomAction])
    most_at_once: int = 0
    _at_once: int = 0

    async def look(self) -> Sequence[SeenRoom]:
        self.looks += 1
        await trio.lowlevel.checkpoint()
        if self.unavailable:
            raise ServerUnavailable("no answer within 8 s")
        return [
            SeenRoom(name, f"RM_{name}", 1, tuple(SeenDetector(who, f"PA_{who}", 0) for who in detectors))
            for name, detectors in self.rooms.items()
        ]

    async def perform(self, action: RoomAction) -> None:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await trio.sleep(math.inf if self.hangs else 0.1)
        finally:
            self._at_once -= 1
        self.performed.append(action)
        if action.request and self.joins:
            self.rooms[action.room].append(f"agent-{len(self.performed)}")


async def keep(server: FakeServer, seconds: float) -> KeeperRecord:
    record = KeeperRecord()
    async with build_keeper_tree(server, record, EVERY, lambda: 0.5):
        await trio.sleep(seconds)
    return record


async def test_every_dark_room_gets_a_detector_and_then_nothing_more_happens(autojump_clock: MockClock) -> None:
    """More rooms than may be acted on at once take a few looks."""
    server = FakeServer({f"room-{n}": [] for n in range(3 * AT_ONCE)})
    record = await keep(server, 60)
    assert all(len(detectors) == 1 for detectors in server.rooms.values())
    assert server.most_at_once <= AT_ONCE
    assert record.status.requested == 3 * AT_ONCE
    assert (record.status.watched, record.status.waiting, record.status.unwatched) == (3 * AT_ONCE, 0, ())


async def test_an_unavailable_server_is_asked_ever_more_rarely_and_logged_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """And asked again for as long as it takes; then the keeper goes on."""
    server = FakeServer({"a": []}, unavailable=True)
    record = KeeperRecord()
    async with build_keeper_tree(server, record, EVERY, lambda: 0.5):
        await trio.sleep(600)
        looks = server.looks
        assert record.status.unavailable
        server.unavailable = False
        await trio.sleep(60)
    assert 600 / 20 < looks < 600 / EVERY
    assert server.rooms["a"]
    assert not record.status.unavailable
    warnings = [entry.getMessage() for entry in caplog.records if entry.levelno >= logging.WARNING]
    assert warnings == [
        "the LiveKit server cannot be asked about its rooms (no answer within 8 s); the keeper tries again"
    ]


async def test_an_action_that_hangs_is_given_up_and_holds_up_no_look(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The looks go on, and the failure is counted."""
    server = FakeServer({"a": []}, hangs=True)
    record = await keep(server, SETTLE + 40)
    assert server.looks > 15
    assert record.status.failed >= 1
    assert record.status.unwatched == ("a",)
    assert any("not done within" in entry.getMessage() for entry in caplog.records)


async def test_no_line_of_the_log_has_a_control_character_of_a_rooms_name(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither of a room without a detector nor of one that gets one."""
    caplog.set_level(logging.DEBUG)
    server = FakeServer({HOSTILE: []}, joins=False)
    record = KeeperRecord()
    async with build_keeper_tree(server, record, EVERY, lambda: 0.5):
        await trio.sleep(20)
        server.joins = True
        await trio.sleep(120)
    text = [entry.getMessage() for entry in caplog.records]
    assert any("without a detector for more than 15 s" in line for line in text)
    assert any("no longer without a detector" in line for line in text)
    assert all(character.isprintable() for line in text for character in line)


def test_a_line_of_the_log_names_few_rooms_and_cuts_long_names() -> None:
    """A thousand rooms with names of a megabyte make one short line."""
    assert quoted(["a", "b'c"]) == "'a', \"b'c\""
    line = quoted(["x" * 1_000_000] * 1_000)
    assert len(line) < 110 * NAMED
    assert line.endswith("and 995 more")


def test_the_metrics_have_the_counts_and_no_name() -> None:
    """Read at the scrape, from the status."""
    registry = CollectorRegistry()
    status = KeeperStatus(state="running", watched=3, waiting=2, unwatched=(HOSTILE,), requested=4, removed=5)
    registry.register(KeeperCollector(lambda: status))
    text = generate_latest(registry).decode()
    assert "WARNING" not in text
    assert 'ds_actors_keeper_rooms{state="unwatched"} 1.0' in text
    assert "ds_actors_keeper_requests_total 4.0" in text
    assert "ds_actors_keeper_removals_total 5.0" in text
    assert registry.get_sample_value("ds_actors_keeper_available") == 1
    assert not status.all_watched
