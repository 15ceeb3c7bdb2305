"""What brings the monitor to what the room wants watched, also when the monitor will not."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio
from attrs import define, field
from livekit.plugins.dataspike._reconciler import DesiredTrack, TrackReconciler
from livekit.plugins.dataspike._video import RoomVideo

from ds_actors.detection import Monitor, TrackInfo


@define(eq=False)
class Reluctant:
    """A monitor that refuses, or whose policy raises, as often as is said."""

    raises: int = 0
    refuses: int = 0
    slow: float = 0.0
    tried: list[str] = field(factory=list[str])
    watched: set[str] = field(factory=set[str])
    listed: dict[str, bool] = field(factory=dict[str, bool])

    async def add_track(self, info: TrackInfo, _source: object, *, muted: bool) -> bool:
        self.tried.append(info.track)
        await trio.sleep(self.slow)
        assert info.track not in self.watched
        if self.raises:
            self.raises -= 1
            raise LookupError("a policy of the host's")
        if self.refuses:
            self.refuses -= 1
            return False
        self.watched.add(info.track)
        return True

    async def remove_track(self, track: str) -> None:
        await trio.sleep(self.slow)
        self.watched.discard(track)

    def report_unwatched(self, info: TrackInfo, **facts: bool) -> None:
        self.listed[info.track] = facts["monitored"]

    def set_muted(self, *_: Any) -> None: ...

    def set_encrypted(self, *_: Any) -> None: ...

    def set_gate(self, *_: Any) -> None: ...


def desired(track: str, source: str = "stream") -> DesiredTrack:
    return DesiredTrack(TrackInfo("alice", track), cast("RoomVideo", source))


def reconciler(monitor: Reluctant, nursery: trio.Nursery) -> TrackReconciler:
    under_test = TrackReconciler(cast("Monitor", monitor), nursery)
    nursery.start_soon(under_test.keep_trying)
    return under_test


async def test_a_policy_that_raises_for_everybody_is_a_line_a_minute(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Each track is listed as not monitored, tried again every ten seconds, and watched once that works."""
    monitor = Reluctant(raises=13 * 20)
    tracks = [f"TR_{number}" for number in range(20)]
    async with trio.open_nursery() as nursery:
        under_test = reconciler(monitor, nursery)
        for track in tracks:
            under_test.want(track, desired(track))
        await trio.sleep(125)
        assert len(monitor.tried) == 13 * 20
        assert monitor.listed == dict.fromkeys(tracks, False)
        assert caplog.text.count("a track could not be watched; the monitor tries again") == 3
        await trio.sleep(10)
        assert monitor.watched == set(tracks)
        nursery.cancel_scope.cancel()


async def test_only_the_newest_wish_counts(autojump_clock: object) -> None:
    """However many come while one is carried out: gone means gone, and a new source is a new track of the monitor's."""
    monitor = Reluctant(slow=1.0)
    async with trio.open_nursery() as nursery:
        under_test = reconciler(monitor, nursery)
        under_test.want("TR", desired("TR"))
        await trio.sleep(0.5)
        for newer in (None, desired("TR", "second"), None, desired("TR", "third")):
            under_test.want("TR", newer)
        await trio.sleep(10)
        assert monitor.watched == {"TR"}
        assert monitor.tried == ["TR", "TR"]
        under_test.want("TR", None)
        await trio.sleep(10)
        assert monitor.watched == set()
        nursery.cancel_scope.cancel()


async def test_what_was_refused_and_is_gone_is_tried_no_more(autojump_clock: object) -> None:
    """Nothing is kept of it."""
    monitor = Reluctant(refuses=99)
    async with trio.open_nursery() as nursery:
        under_test = reconciler(monitor, nursery)
        under_test.want("TR", desired("TR"))
        await trio.sleep(15)
        assert monitor.tried == ["TR"] * 2
        under_test.want("TR", None)
        await trio.sleep(60)
        assert monitor.tried == ["TR"] * 2
        assert (under_test._desired, under_test._done, under_test._refused, under_test._busy) == ({}, {}, set(), set())
        nursery.cancel_scope.cancel()
