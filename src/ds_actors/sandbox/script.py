"""A service's behaviour over time, as a TOML file.

default = "clear"            # the level where no entry matches

[[verdict]]                  # of several that match, the last one in the file rules
participant = "alice"        # without it: everybody
from = 5                     # seconds since the service began; without it: 0
until = 12.5                 # without it: to the end
level = "alert"              # clear, suspicious, alert, error, unknown, or "none": no answer
message = "Face swap."       # what the answer says
answers = 1                  # how often each sample is answered

[[fault]]
kind = "refuse"              # refuse, refuse_connections, close, silence, slow, garbage, oversized, drop
from = 3
until = 6
status = 403                 # the fault's own options: those of its class in `ds_actors.sandbox.faults`
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from attrs import fields, frozen

from ds_actors.detection.events import Level

from .faults import KINDS, Drop, TimedFault

_VERDICT_KEYS: Final = ("participant", "track", "from", "until", "level", "message", "answers")
_LEVELS: Final = (*(level.value for level in Level), "none")
_MOST_ANSWERS: Final = 1_000


class ScriptError(ValueError):
    """A script that cannot be followed; the text names the entry, the key and what was expected."""


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
    """What a script file says."""

    verdicts: tuple[TimedVerdict, ...] = ()
    faults: tuple[TimedFault, ...] = ()
    default: Level | None = None
    """The level where no entry matches; None leaves it to the service's other verdicts."""


def load_script(path: Path) -> Script:
    """Read a script file.

    Raises:
        ScriptError: when the file cannot be read, is not TOML, or says something that cannot be done.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScriptError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ScriptError(f"{path} cannot be read: it is not UTF-8") from error
    return parse_script(text, name=str(path))


def parse_script(text: str, *, name: str = "script") -> Script:
    """Return the script of a TOML text; `name` begins every error.

    Raises:
        ScriptError: when it is not TOML, or says something that cannot be done.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScriptError(f"{name}: not TOML: {error}") from error
    try:
        _known(table, ("default", "verdict", "fault"))
        default = _level(table["default"], "default") if "default" in table else None
        verdicts = _entries(table, "verdict")
        faults = _entries(table, "fault")
        return Script(
            tuple(_in(f"verdict {n}", _verdict, entry) for n, entry in enumerate(verdicts, 1)),
            tuple(_in(f"fault {n}", _fault, entry) for n, entry in enumerate(faults, 1)),
            default,
        )
    except ScriptError as error:
        raise ScriptError(f"{name}: {error}") from None


def _entries(table: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value: Any = table.get(key, [])
    entries = cast("Sequence[object]", value) if isinstance(value, list) else (None,)
    tables = [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict)]
    if len(tables) < len(entries):
        raise ScriptError(f"write each {key} as [[{key}]]")
    return tables


def _in(where: str, parse: Any, entry: dict[str, Any]) -> Any:
    try:
        return parse(entry)
    except ScriptError as error:
        raise ScriptError(f"{where}: {error}") from None


def _verdict(entry: dict[str, Any]) -> TimedVerdict:
    _known(entry, _VERDICT_KEYS)
    if "level" not in entry:
        raise ScriptError(f"level is missing; it is one of {', '.join(_LEVELS)}")
    begins, ends = _times(entry)
    answers = entry.get("answers", 1)
    if isinstance(answers, bool) or not isinstance(answers, int) or not 0 <= answers <= _MOST_ANSWERS:
        raise ScriptError(f"answers must be a whole number from 0 to {_MOST_ANSWERS}, not {answers!r}")
    return TimedVerdict(
        level=_level(entry["level"], "level"),
        begins=begins,
        ends=math.inf if ends is None else ends,
        participant=_text(entry, "participant"),
        track=_text(entry, "track"),
        message=_text(entry, "message") or "",
        answers=answers,
    )


def _fault(entry: dict[str, Any]) -> TimedFault:
    kind = entry.get("kind")
    fault_class = KINDS.get(kind) if isinstance(kind, str) else None
    if fault_class is None:
        raise ScriptError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    own = tuple(attribute.name for attribute in fields(fault_class))
    _known(entry, ("kind", "from", "until", *own))
    begins, ends = _times(entry)
    if fault_class is Drop and ends is not None:
        raise ScriptError("a drop is a moment: it has no until")
    try:
        fault = fault_class(**{key: entry[key] for key in own if key in entry})
    except ValueError as error:
        raise ScriptError(str(error)) from None
    return TimedFault(begins, fault, ends)


def _times(entry: dict[str, Any]) -> tuple[float, float | None]:
    begins = _seconds(entry, "from") or 0.0
    ends = _seconds(entry, "until")
    if ends is not None and ends <= begins:
        raise ScriptError(f"until ({ends:g}) must be after from ({begins:g})")
    return begins, ends


def _seconds(entry: dict[str, Any], key: str) -> float | None:
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ScriptError(f"{key} must be a number of seconds, 0 or more, not {value!r}")
    return float(value)


def _text(entry: dict[str, Any], key: str) -> str | None:
    value = entry.get(key)
    if value is not None and not isinstance(value, str):
        raise ScriptError(f"{key} must be a text, not {value!r}")
    return value


def _level(value: object, key: str) -> Level | None:
    if value not in _LEVELS:
        raise ScriptError(f"{key} must be one of {', '.join(_LEVELS)}, not {value!r}")
    return None if value == "none" else Level(str(value))


def _known(entry: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in entry:
        if key not in keys:
            raise ScriptError(f"{key!r} is not known here; known are {', '.join(keys)}")
