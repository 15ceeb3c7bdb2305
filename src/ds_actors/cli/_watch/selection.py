"""What a person chose in the live view: the order of the tracks, the marked one, and the one that is open. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from attrs import define

from ds_actors.detection.coverage import Coverage
from ds_actors.detection.events import Level

TrackRow = Mapping[str, Any]
"""One of a status's tracks, as `Status.dict()` has it."""


class Key(StrEnum):
    """A key that the live view knows."""

    UP = "up"
    DOWN = "down"
    OPEN = "open"
    BACK = "back"
    SORT = "sort"
    QUIT = "quit"


_BYTES: Final = {
    b"\x1b[A": Key.UP,
    b"\x1bOA": Key.UP,
    b"k": Key.UP,
    b"\x1b[B": Key.DOWN,
    b"\x1bOB": Key.DOWN,
    b"j": Key.DOWN,
    b"\r": Key.OPEN,
    b"\n": Key.OPEN,
    b"\x7f": Key.BACK,
    b"\x1b": Key.BACK,
    b"s": Key.SORT,
    b"q": Key.QUIT,
}
_LONGEST: Final = max(map(len, _BYTES))


def read_keys(data: bytes) -> list[Key]:
    """Return the keys in what a terminal sent at once; others are left out."""
    keys: list[Key] = []
    while data:
        for length in range(_LONGEST, 0, -1):
            key = _BYTES.get(data[:length])
            if key is not None and not (key is Key.BACK and len(data) > 1 and data[:1] == b"\x1b"):
                keys.append(key)
                break
        else:
            # The rest of a sequence that is not known would be taken for letters.
            length = len(data) if data[:1] == b"\x1b" else 1
        data = data[length:]
    return keys


def _worst(track: TrackRow) -> tuple[object, ...]:
    blind = track["wanted"] and Coverage(track["coverage"]).is_blind
    return (-Level(track["level"]).severity, not blind, *_name(track))


def _name(track: TrackRow) -> tuple[object, ...]:
    return (track["participant"], track["track"])


def _unchecked(track: TrackRow) -> tuple[object, ...]:
    age = track["seconds_since_verdict"]
    return (age is not None, -(age or 0.0), *_name(track))


def _fastest(track: TrackRow) -> tuple[object, ...]:
    return (-track["target_fps"], *_name(track))


ORDERS: Final[Mapping[str, Callable[[TrackRow], tuple[object, ...]]]] = {
    "worst first": _worst,
    "by name": _name,
    "longest unchecked first": _unchecked,
    "highest rate first": _fastest,
}


@define
class ViewSelection:
    """The state of the live view; a track is remembered by its sid, so it stays marked when it moves."""

    order: str = next(iter(ORDERS))
    marked: str = ""
    opened: str = ""

    def sorted(self, tracks: Sequence[TrackRow]) -> list[TrackRow]:
        """Return the tracks in the chosen order."""
        return sorted(tracks, key=ORDERS[self.order])

    def marked_place(self, rows: Sequence[TrackRow]) -> int:
        """Return the place of the marked track in the sorted rows; the first where it is gone."""
        return next((place for place, row in enumerate(rows) if row["track"] == self.marked), 0)

    def press(self, key: Key, tracks: Sequence[TrackRow]) -> None:
        """Follow a key; quitting is not the view's."""
        rows = self.sorted(tracks)
        place = self.marked_place(rows)
        match key:
            case Key.UP | Key.DOWN if rows:
                if rows[place]["track"] == self.marked:
                    place = min(max(0, place + (1 if key is Key.DOWN else -1)), len(rows) - 1)
                self.marked = rows[place]["track"]
                self.opened = self.marked if self.opened else ""
            case Key.OPEN if rows:
                self.marked = self.opened = rows[place]["track"]
            case Key.BACK:
                self.opened = ""
            case Key.SORT:
                orders = list(ORDERS)
                self.order = orders[(orders.index(self.order) + 1) % len(orders)]
            case _:
                pass
