"""Scripts and scenarios: TOML of any kind is followed, or refused in one line."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, cast

from fuzzing import damaged, fuzzed
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection import AdaptiveSampling, Sample
from ds_actors.sandbox import Script, ScriptError, parse_script
from ds_actors.sandbox._toml import loads
from ds_actors.sandbox.faults import KINDS
from ds_actors.sandbox.verdicts import ScriptedVerdicts
from ds_actors.simulation import Simulation

ROOM = """[room]
participants = 2
seconds = 20
manipulated = 1
manipulated_for = 5
[link]
bytes_per_second = 100000
[budget]
samples_per_minute = 60
[[speaking]]
participant = "p1"
from = 1
until = 5
[[judge]]
misses = 0.2
lasting = 3
"""
SCRIPT = """default = "clear"
[[verdict]]
participant = "alice"
from = 5
until = 12.5
level = "alert"
message = "Face swap."
[[fault]]
kind = "refuse"
status = 403
from = 3
until = 6
[service]
latency = 0.3
"""
WHO = st.sampled_from(["alice", "p1", "p2"])
TIME, SHARE, RATE = st.floats(0, 30) | st.integers(0, 30), st.floats(0, 0.5), st.floats(0.1, 30)
BEGINS: st.SearchStrategy[Any] = st.integers(0, 15)
ENDS: st.SearchStrategy[Any] = st.integers(16, 30)
LEVELS = st.sampled_from(["clear", "suspicious", "alert", "error", "unknown", "none"])
WHEN = {"from": BEGINS, "until": ENDS}
OWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "verdict": {"participant": WHO, "track": WHO, **WHEN, "message": st.text(max_size=6), "answers": BEGINS},
    "judge": {"misses": SHARE, "false_flags": SHARE, "errors": SHARE, "lost": SHARE, "suspicious": SHARE, **WHEN},
    "room": {
        "sample_bytes": st.integers(1, 2**24),
        "capture": TIME,
        "no_frame": SHARE,
        "manipulated": BEGINS,
        "manipulated_for": RATE,
        "manipulated_every": st.integers(1, 60),
        "evades_fps": RATE,
    },
    "link": {"bytes_per_second": st.integers(1, 10**6)},
    "budget": {"bytes_per_second": st.floats(1_000, 1e9), "burst_seconds": st.floats(1, 60)},
    "speaking": WHEN,
    "muted": WHEN,
    "scene": {"from": BEGINS},
    "service": {"latency": TIME},
}
ALWAYS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "verdict": {"level": LEVELS},
    **{key: {"participant": WHO} for key in ("speaking", "muted", "scene")},
}
FAULTS: list[dict[str, Any]] = [
    {"kind": "refuse", "status": 429, "retry_after": 7, "from": 1, "until": 2},
    {"kind": "close", "code": 4401, "after": 0.5},
    {"kind": "slow", "seconds": 2},
    {"kind": "drop", "from": 3},
    {"kind": "oversized", "size": 70_000},
]
WRONG_NUMBERS = st.sampled_from([-1, 0, 401, 1_011, 10_000, 2**31, 2**63 - 1]) | st.floats()
WORDS = LEVELS | st.sampled_from(sorted(KINDS)) | st.text(max_size=6)
KEYS = st.sampled_from(
    sorted({"default", "fault", "kind", "status", *OWN, *(key for keys in OWN.values() for key in keys)})
)
VALUES = st.recursive(
    WRONG_NUMBERS | WORDS | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)


def table_of(name: str) -> st.SearchStrategy[Any]:
    """Return tables of a section, or lists of them, as the section is written."""
    entry = st.fixed_dictionaries(ALWAYS.get(name, {}), optional=OWN[name])
    return entry if name in {"room", "link", "service"} else st.lists(entry, max_size=3)


SECTIONS = {name: table_of(name) for name in OWN if name != "budget"}
BUDGET = st.fixed_dictionaries({"samples_per_minute": RATE}, optional=OWN["budget"])
WELL_FORMED = st.fixed_dictionaries(
    {},
    optional={**SECTIONS, "budget": BUDGET, "default": LEVELS, "fault": st.lists(st.sampled_from(FAULTS), max_size=3)},
)


@st.composite
def with_faults(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a well-formed table, in which some keys have another value, or are new."""
    table: dict[str, Any] = json.loads(json.dumps(draw(WELL_FORMED)))
    for key, value in draw(st.dictionaries(KEYS, VALUES, max_size=2)).items():
        places = list(tables_in(table))
        places[draw(st.integers(0, len(places) - 1))][key] = value
    return table


def tables_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield a table and all tables inside."""
    items = cast("list[Any]", value)
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        yield table
        for inner in table.values():
            yield from tables_in(inner)
    elif isinstance(value, list):
        for inner in items:
            yield from tables_in(inner)


TABLES = WELL_FORMED | with_faults() | st.dictionaries(KEYS, VALUES, max_size=5)


def toml(value: Any) -> str:
    """Return a value as inline TOML."""
    items = cast("list[Any]", value)
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return "{" + ", ".join(f"{toml(key)} = {toml(inner)}" for key, inner in pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, items)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value.encode("utf-8", "replace").decode("utf-8")
        return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def followed(text: str) -> Script | None:
    """Return the script; None for one that is refused, in one line that names it."""
    try:
        return parse_script(text, name="the script")
    except ScriptError as error:
        words = str(error)
    assert words.startswith("the script: ")
    assert len(words.splitlines()) == 1
    assert len(words) < 600
    return None


def parsed(table: dict[str, Any]) -> Script | None:
    """Return what is made of a table that was written as TOML."""
    text = "".join(f"{toml(key)} = {toml(value)}\n" for key, value in table.items())
    loads(text)  # this suite's own writer is right
    return followed(text)


@fuzzed("toml")
@given(damaged(st.sampled_from([ROOM.encode(), SCRIPT.encode()])) | st.binary(max_size=80))
def test_a_text_is_a_table_or_one_line(data: bytes) -> None:
    """Any text; what is a table may be a script as well."""
    followed(data.decode("utf-8", "replace"))


@fuzzed("scripts")
@given(TABLES, st.floats(0, 30))
def test_a_script_is_followed_or_one_line(table: dict[str, Any], now: float) -> None:
    """Every key with every kind of value; a script that is followed answers at any time."""
    script = parsed(table)
    if script is not None:
        answers = ScriptedVerdicts(script, random=lambda: 0.5).judge(Sample("alice", "TR_1", 0, b""), now)
        assert len(answers) <= 1_000


@fuzzed("scenarios")
@given(WELL_FORMED, st.integers(1, 3), st.integers(0, 2**32))
def test_a_scenario_is_simulated_to_its_end(table: dict[str, Any], participants: int, seed: int) -> None:
    """In a small room, whatever else it says: no sample is sent that was not due."""
    room = table.get("room", {}) | {"participants": participants, "tracks_each": 1, "seconds": 20, "joins_within": 1}
    script = parsed(table | {"room": room})
    if script is not None:
        simulation = Simulation(script, AdaptiveSampling, "policy", random.Random(seed).random)
        simulation.run()
        outcome = simulation.outcome()
        assert outcome.due >= outcome.sent >= 0
