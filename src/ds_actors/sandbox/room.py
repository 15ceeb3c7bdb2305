"""The room of a scenario, for `ds-actors simulate`: its participants, their activities, and the link to the service.

[room]
participants = 50            # p1, p2, ...; 1 to 10,000, with all their tracks
tracks_each = 1              # TR_p1_1, TR_p1_2, ...
seconds = 600
joins_within = 5             # they join evenly over this many seconds
sample_bytes = 70000
capture = 0.02               # seconds from the turn to the encoded sample
no_frame = 0.0               # the share of captures that give no frame
manipulated = 10             # this many participants get the verdict "alert", one after the other ...
manipulated_for = 30         # ... for this many seconds each
# manipulated_every = 600    # ... again and again, after this many genuine seconds on average
# evades_fps = 0.2           # instead, they know a fixed rate and are manipulated only between its samples

[link]
bytes_per_second = 1000000   # without it: no bound

[budget]                     # the room's; see `Budget`
samples_per_minute = 600
bytes_per_second = 500000

[[speaking]]                 # also [[muted]]
participant = "p1"
from = 10
until = 25

[[scene]]                    # the picture changes
participant = "p1"
from = 12
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from ds_actors.detection.budget import Budget
from ds_actors.sandbox._toml import ScriptError, entries, inside, known, number, section, text, times, whole

MOST_TRACKS: Final = 10_000
MOST_MANIPULATIONS: Final = 100_000
_MOST_REPEATS: Final = 1_000
_GUARD: Final = 0.1
"""The share of an interval, on both sides of a sample, for which an evader is careful."""
_GOLDEN: Final = (math.sqrt(5) - 1) / 2
_ROOM: Final = (
    *("participants", "tracks_each", "seconds", "joins_within", "sample_bytes"),
    *("capture", "no_frame", "manipulated", "manipulated_for", "manipulated_every", "evades_fps"),
)


@frozen
class Activity:
    """An activity of a participant, for a while."""

    participant: str
    begins: float
    ends: float = math.inf


@frozen
class Room:
    """A simulated room."""

    participants: int = 50
    tracks_each: int = 1
    seconds: float = 600.0
    joins_within: float = 5.0
    sample_bytes: int = 70_000
    capture: float = 0.02
    no_frame: float = 0.0
    manipulated: int = 0
    manipulated_for: float = 30.0
    manipulated_every: float | None = None
    """Mean genuine seconds before each manipulation; None for a single one."""
    evades_fps: float | None = None
    """The rate of the fixed grid, counted from a participant's join, between whose samples it is manipulated."""
    link: float = math.inf
    """Bytes per second."""
    budget: Budget | None = None
    speaking: tuple[Activity, ...] = ()
    muted: tuple[Activity, ...] = ()
    scenes: tuple[Activity, ...] = ()

    def manipulations(self) -> list[Activity]:
        """Return who is manipulated when, at irregular intervals over the middle of the time."""
        first, last = 0.1 * self.seconds, max(0.1 * self.seconds, 0.95 * self.seconds - self.manipulated_for)
        found: list[Activity] = []
        for number_ in range(self.manipulated):
            who = 1 + number_ * self.participants // self.manipulated
            if self.evades_fps is not None:
                found.extend(self._evading(who, self.evades_fps))
                continue
            if self.manipulated_every is not None:
                found.extend(self.repeated(number_, f"p{who}", self.manipulated_every))
                continue
            begins = first + (last - first) * ((number_ + 1) * _GOLDEN % 1.0)
            found.append(Activity(f"p{who}", begins, begins + self.manipulated_for))
        return found

    def _evading(self, who: int, fps: float) -> list[Activity]:
        joined, step = (who - 1) * self.joins_within / self.participants, 1 / fps
        count = min(_MOST_REPEATS, math.ceil((self.seconds - joined) / step))
        return [
            Activity(f"p{who}", joined + (number_ + _GUARD) * step, joined + (number_ + 1 - _GUARD) * step)
            for number_ in range(count)
            if joined + (number_ + _GUARD) * step < self.seconds
        ]

    def repeated(self, number_: int, who: str, every: float) -> list[Activity]:
        """Return when one participant is manipulated, after `every` genuine seconds on average; numbers begin at 0."""
        # Exponential gaps, drawn from a sequence that fills [0, 1) evenly: the scenario stays free of randomness.
        found: list[Activity] = []
        place, ends = number_ * math.sqrt(2) % 1.0, 0.0
        while True:
            place = (place + _GOLDEN) % 1.0
            begins = ends - every * math.log1p(-place)
            ends = begins + self.manipulated_for
            if begins >= self.seconds or len(found) >= _MOST_REPEATS:
                return found
            found.append(Activity(who, begins, ends))


ROOM_KEYS: Final = ("room", "link", "budget", "speaking", "muted", "scene")


def parse_room(table: Mapping[str, Any]) -> Room:
    """Return the room that a scenario's tables describe.

    Raises:
        ScriptError: when a value is invalid.
    """
    room = inside("room", _room, section(table, "room"))
    link = inside("link", _link, section(table, "link"))
    budget = inside("budget", _budget, section(table, "budget")) if "budget" in table else None
    activities = {
        key: tuple(inside(f"{key} {n}", _activity, entry) for n, entry in enumerate(entries(table, key), 1))
        for key in ("speaking", "muted", "scene")
    }
    return Room(**room, link=link, budget=budget, **_named(activities))


def _named(activities: dict[str, tuple[Activity, ...]]) -> dict[str, Any]:
    return {"speaking": activities["speaking"], "muted": activities["muted"], "scenes": activities["scene"]}


def _room(entry: dict[str, Any]) -> dict[str, Any]:
    known(entry, _ROOM)
    participants = whole(entry, "participants", 50, 1, MOST_TRACKS)
    tracks_each = whole(entry, "tracks_each", 1, 1, MOST_TRACKS)
    if participants * tracks_each > MOST_TRACKS:
        raise ScriptError(f"{participants} x {tracks_each} tracks are more than {MOST_TRACKS}")
    seconds = number(entry, "seconds", 600, 1, 31 * 86_400)
    room: dict[str, Any] = {
        "participants": participants,
        "tracks_each": tracks_each,
        "seconds": seconds,
        "joins_within": number(entry, "joins_within", min(5.0, seconds), 0, seconds),
        "sample_bytes": whole(entry, "sample_bytes", 70_000, 1, 16 * 1024 * 1024),
        "capture": number(entry, "capture", 0.02, 0, 60),
        "no_frame": number(entry, "no_frame", 0.0, 0, 1),
        "manipulated": min(participants, whole(entry, "manipulated", 0, 0, MOST_TRACKS)),
        "manipulated_for": number(entry, "manipulated_for", 30.0, 0.001, 31 * 86_400),
        "manipulated_every": (
            number(entry, "manipulated_every", 600.0, 1.0, 31 * 86_400) if "manipulated_every" in entry else None
        ),
        "evades_fps": number(entry, "evades_fps", 0.2, 0.001, 30.0) if "evades_fps" in entry else None,
    }
    _check_manipulations(Room(**room))
    return room


def _check_manipulations(room: Room) -> None:
    """Refuse what would take gigabytes of memory before it takes them."""
    each = 1.0
    if room.evades_fps is not None:
        each = room.seconds * room.evades_fps
    elif room.manipulated_every is not None:
        each = room.seconds / (room.manipulated_every + room.manipulated_for)
    total = room.manipulated * min(each, _MOST_REPEATS)
    if total > MOST_MANIPULATIONS:
        raise ScriptError(f"about {total:,.0f} manipulations are more than {MOST_MANIPULATIONS:,}")


def _link(entry: dict[str, Any]) -> float:
    known(entry, ("bytes_per_second",))
    return number(entry, "bytes_per_second", 1e18, 1, 1e18) if entry else math.inf


def _budget(entry: dict[str, Any]) -> Budget:
    known(entry, ("samples_per_minute", "bytes_per_second", "burst_seconds", "sample_bytes"))
    try:
        return Budget(**entry)
    except ValueError as error:
        raise ScriptError(str(error)) from None


def _activity(entry: dict[str, Any]) -> Activity:
    known(entry, ("participant", "from", "until"))
    participant = text(entry, "participant")
    if participant is None:
        raise ScriptError("participant is missing")
    begins, ends = times(entry)
    return Activity(participant, begins, math.inf if ends is None else ends)
