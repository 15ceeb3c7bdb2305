"""The simulated service: its answers and its availability. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeVar

from attrs import define, field, frozen

from ds_actors.detection.events import Level, ResultType
from ds_actors.sandbox.faults import (
    CloseOnAccept,
    Drop,
    Fault,
    Garbage,
    Oversized,
    Refuse,
    RefuseConnections,
    Silence,
    Slow,
    TimedFault,
)
from ds_actors.sandbox.script import Script, TimedVerdict
from ds_actors.simulation.outcome import Detection

NUMBERS: Final = {kind.level: int(kind) for kind in ResultType}
F = TypeVar("F", Refuse, RefuseConnections, CloseOnAccept, Silence, Slow, Garbage, Oversized)


@define(eq=False)
class Manipulation:
    """An elevated entry of the script, on one track."""

    track: str
    begins: float
    ends: float
    found: float | None = None
    alarmed: float | None = None
    """When its track's alert began, after its beginning."""
    cleared: float | None = None
    """When that alert ended, after its end."""

    def detection(self) -> Detection:
        """Return what came of it so far."""
        return Detection(
            self.track,
            self.begins,
            None if self.found is None else self.found - self.begins,
            None if self.alarmed is None else self.alarmed - self.begins,
            None if self.cleared is None else self.cleared - self.ends,
        )


@frozen
class Rule:
    """An entry of the script as it concerns one track."""

    verdict: TimedVerdict
    manipulation: Manipulation | None


def rules_for(script: Script, participant: str, track: str) -> list[Rule]:
    """Return the entries that concern a track, in order of precedence.

    Elevated entries that follow each other without a gap are one manipulation: suspicious, then alert.
    """
    rules: list[Rule] = []
    by_end: dict[float, Manipulation] = {}
    here = [verdict for verdict in script.verdicts if verdict.participant in (None, participant)]
    concerned = [verdict for verdict in here if verdict.track in (None, track)]
    for verdict in sorted(concerned, key=lambda verdict: verdict.begins):
        manipulation: Manipulation | None = None
        if verdict.level is not None and verdict.level.elevated:
            manipulation = by_end.pop(verdict.begins, None) or Manipulation(track, verdict.begins, verdict.ends)
            manipulation.ends = verdict.ends
            by_end[verdict.ends] = manipulation
        rules.append(Rule(verdict, manipulation))
    order = {id(verdict): place for place, verdict in enumerate(script.verdicts)}
    return sorted(rules, key=lambda rule: -order[id(rule.verdict)])


_CLEAR: Final = TimedVerdict(Level.CLEAR)


@define(eq=False)
class PaperService:
    """The script's faults in force, and its verdicts."""

    script: Script
    _active: dict[type[Fault], Fault] = field(factory=dict[type[Fault], Fault])
    _otherwise: Rule = field(init=False)

    def __attrs_post_init__(self) -> None:
        default = self.script.default
        self._otherwise = Rule(_CLEAR if default is None else TimedVerdict(default), None)

    def judge(self, rules: Sequence[Rule], now: float) -> Rule:
        """Return the entry that decides about a sample that arrives now."""
        for rule in rules:
            if rule.verdict.begins <= now < rule.verdict.ends:
                return rule
        return self._otherwise

    def begin(self, fault: Fault) -> bool:
        """Put a fault in force; return True for a drop, which cuts the connection at once."""
        if isinstance(fault, Drop):
            return True
        self._active[type(fault)] = fault
        return False

    def end(self, fault: Fault) -> None:
        """End a fault."""
        if self._active.get(type(fault)) is fault:
            del self._active[type(fault)]

    def active(self, kind: type[F]) -> F | None:
        """Return the fault of that kind in force, or None."""
        fault = self._active.get(kind)
        return fault if isinstance(fault, kind) else None

    @property
    def faultless(self) -> bool:
        """True while no fault is in force."""
        return not self._active


def moments(faults: Sequence[TimedFault]) -> list[tuple[float, TimedFault, bool]]:
    """Return when faults begin (True) and end (False)."""
    found = [(fault.begins, fault, True) for fault in faults]
    return found + [(fault.ends, fault, False) for fault in faults if fault.ends is not None and fault.ends < math.inf]
