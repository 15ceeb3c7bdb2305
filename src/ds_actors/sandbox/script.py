"""A service's behaviour over time, as a TOML file: a script; with a room (see `room`), a whole scenario.

default = "clear"            # the level where no entry matches

[[verdict]]                  # when several match, the last one in the file decides
participant = "alice"        # without it: all participants
from = 5                     # seconds since the service began; without it: 0
until = 12.5                 # without it: to the end
level = "alert"              # clear, suspicious, alert, error, unknown, or "none": no answer
message = "Face swap."       # what the answer says
answers = 1                  # answers per sample

[[fault]]
kind = "refuse"              # refuse, refuse_connections, close, silence, slow, garbage, oversized, drop
from = 3
until = 6
status = 403                 # the fault's own options: those of its class in `ds_actors.sandbox.faults`

[service]
latency = 0.3                # seconds from a sample's arrival to its answer; without it: 0

[[judge]]                    # the service errs; see `erring`
misses = 0.2
false_flags = 0.02
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import field, fields, frozen

from ds_actors.detection.events import Level, plain
from ds_actors.sandbox._toml import ScriptError, entries, inside, known, loads, seconds, section, text, times
from ds_actors.sandbox.erring import ErringJudge, parse_judge
from ds_actors.sandbox.faults import KINDS, Drop, TimedFault
from ds_actors.sandbox.room import ROOM_KEYS, Room, parse_room

__all__ = ["Script", "ScriptError", "TimedVerdict", "load_script", "parse_script"]

_VERDICT_KEYS: Final = ("participant", "track", "from", "until", "level", "message", "answers")
_LEVELS: Final = (*(level.value for level in Level), "none")
_MOST_ANSWERS: Final = 1_000
_LONGEST_ERROR: Final = 500
"""Characters: an error shows the value that is wrong, which may be as long as the file."""


@frozen
class TimedVerdict:
    """One `[[verdict]]`: the level (None: no answer) of the samples it matches."""

    level: Level | None
    begins: float = 0.0
    ends: float = math.inf
    participant: str | None = None
    track: str | None = None
    message: str = ""
    answers: int = 1

    def matches(self, participant: str, track: str, now: float) -> bool:
        """Return True for a sample of that participant and track, `now` seconds after the service began."""
        return (
            self.begins <= now < self.ends and self.participant in (None, participant) and self.track in (None, track)
        )


@frozen
class Script:
    """The content of a script file."""

    verdicts: tuple[TimedVerdict, ...] = ()
    faults: tuple[TimedFault, ...] = ()
    default: Level | None = None
    """The level where no entry matches; None leaves the answer to the service's other verdicts."""
    latency: float = 0.0
    """Seconds from a sample's arrival to its answer."""
    room: Room = field(factory=Room)
    """The participants, for the simulator; the sandbox ignores them."""
    judges: tuple[ErringJudge, ...] = ()
    """The errors of the scripted verdicts; without one, every answer is right."""


def load_script(path: Path, *, room: Mapping[str, Any] | None = None) -> Script:
    """Read a script file; values in `room` override those in its [room].

    Raises:
        ScriptError: when the file cannot be read, is not TOML, or a value is invalid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScriptError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ScriptError(f"{path} cannot be read: it is not UTF-8") from error
    return parse_script(text, name=str(path), room=room)


def parse_script(text: str, *, name: str = "script", room: Mapping[str, Any] | None = None) -> Script:
    """Return the script of a TOML text; `name` begins every error, and values in `room` override those in its [room].

    Raises:
        ScriptError: when it is not TOML, or a value is invalid.
    """
    try:
        table = loads(text)
        known(table, ("default", "verdict", "fault", "service", "judge", *ROOM_KEYS))
        default = _level(table["default"], "default") if "default" in table else None
        if room:
            table["room"] = {**section(table, "room"), **room}
        here = parse_room(table)
        manipulated = (
            TimedVerdict(Level.ALERT, manipulation.begins, manipulation.ends, manipulation.participant)
            for manipulation in here.manipulations()
        )
        verdicts, faults = entries(table, "verdict"), entries(table, "fault")
        return Script(
            (*manipulated, *(inside(f"verdict {n}", _verdict, entry) for n, entry in enumerate(verdicts, 1))),
            tuple(inside(f"fault {n}", _fault, entry) for n, entry in enumerate(faults, 1)),
            default,
            inside("service", _latency, section(table, "service")),
            here,
            tuple(inside(f"judge {n}", parse_judge, entry) for n, entry in enumerate(entries(table, "judge"), 1)),
        )
    except ScriptError as error:
        raise ScriptError(f"{name}: {plain(str(error), _LONGEST_ERROR)}") from None


def _latency(entry: dict[str, Any]) -> float:
    known(entry, ("latency",))
    return seconds(entry, "latency") or 0.0


def _verdict(entry: dict[str, Any]) -> TimedVerdict:
    known(entry, _VERDICT_KEYS)
    if "level" not in entry:
        raise ScriptError(f"level is missing; it is one of {', '.join(_LEVELS)}")
    begins, ends = times(entry)
    answers = entry.get("answers", 1)
    if isinstance(answers, bool) or not isinstance(answers, int) or not 0 <= answers <= _MOST_ANSWERS:
        raise ScriptError(f"answers must be a whole number from 0 to {_MOST_ANSWERS}, not {answers!r}")
    return TimedVerdict(
        level=_level(entry["level"], "level"),
        begins=begins,
        ends=math.inf if ends is None else ends,
        participant=text(entry, "participant"),
        track=text(entry, "track"),
        message=text(entry, "message") or "",
        answers=answers,
    )


def _fault(entry: dict[str, Any]) -> TimedFault:
    kind = entry.get("kind")
    fault_class = KINDS.get(kind) if isinstance(kind, str) else None
    if fault_class is None:
        raise ScriptError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    own = tuple(attribute.name for attribute in fields(fault_class))
    known(entry, ("kind", "from", "until", *own))
    begins, ends = times(entry)
    if fault_class is Drop and ends is not None:
        raise ScriptError("a drop happens at one moment: remove its until")
    try:
        fault = fault_class(**{key: entry[key] for key in own if key in entry})
    except ValueError as error:
        raise ScriptError(str(error)) from None
    return TimedFault(begins, fault, ends)


def _level(value: object, key: str) -> Level | None:
    if value not in _LEVELS:
        raise ScriptError(f"{key} must be one of {', '.join(_LEVELS)}, not {value!r}")
    return None if value == "none" else Level(str(value))
