"""The service on paper: what it answers, and whether it is there. Pure."""

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

NUMBERS: Final = {kind.level: int(kind) for kind in ResultType}
F = TypeVar("F", Refuse, RefuseConnections, CloseOnAccept, Silence, Slow, Garbage, Oversized)


@define(eq=False)
class Manipulation:
    """An elevated entry of the script, on one track."""

    track: str
    begins: float
    ends: float
    found: float | None = None


@frozen
class Rule:
    """An entry of the script as it concerns one track."""

    verdict: TimedVerdict
    manipulation: Manipulation | None


def rules_for(script: Script, participant: str, track: str) -> list[Rule]:
    """Return the entries that concern a track, the one that rules first.

    Elevated entries that follow each other without a gap are one manipulation: suspicious, then alert.
    """
    rules: list[Rule] = []
    by_end: dict[float, Manipulation] = {}
    here = [one for one in script.verdicts if one.participant in (None, participant)]
    concerned = [one for one in here if one.track in (None, track)]
    for verdict in sorted(concerned, key=lambda one: one.begins):
        manipulation: Manipulation | None = None
        if verdict.level is not None and verdict.level.elevated:
            manipulation = by_end.pop(verdict.begins, None) or Manipulation(track, verdict.begins, verdict.ends)
            manipulation.ends = verdict.ends
            by_end[verdict.ends] = manipulation
        rules.append(Rule(verdict, manipulation))
    order = {id(verdict): place for place, verdict in enumerate(script.verdicts)}
    return sorted(rules, key=lambda one: -order[id(one.verdict)])


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
        """Return the entry that rules for a sample that arrives now."""
        for rule in rules:
            if rule.verdict.begins <= now < rule.verdict.ends:
                return rule
        return self._otherwise

    def begin(self, fault: Fault) -> bool:
        """Put a fault in force; True for a drop, which is over at once and cuts the connection."""
        if isinstance(fault, Drop):
            return True
        self._active[type(fault)] = fault
        return False

    def end(self, fault: Fault) -> None:
        """End a fault."""
        if self._active.get(type(fault)) is fault:
            del self._active[type(fault)]

    def active(self, kind: type[F]) -> F | None:
        """Return the fault of that kind in force, None without one."""
        fault = self._active.get(kind)
        return fault if isinstance(fault, kind) else None

    @property
    def faultless(self) -> bool:
        """True while no fault is in force."""
        return not self._active


def moments(faults: Sequence[TimedFault]) -> list[tuple[float, TimedFault, bool]]:
    """Return when faults begin (True) and end (False)."""
    found = [(one.begins, one, True) for one in faults]
    return found + [(one.ends, one, False) for one in faults if one.ends is not None and one.ends < math.inf]
