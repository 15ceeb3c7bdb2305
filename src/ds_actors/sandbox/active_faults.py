"""The faults in force, and a script's faults played at their times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import trio
from attrs import define, field

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

_F = TypeVar("_F", Refuse, RefuseConnections, CloseOnAccept, Silence, Slow, Garbage, Oversized)


@define(eq=False)
class Faults:
    """The faults in force, at most one of each kind; use it in the service's trio thread only.

    Setting an attribute, calling a command and calling `begin` are equivalent.
    """

    retry_after: int | None = None
    """Retry-After in seconds for refusals without their own."""

    _active: dict[type[Fault], Fault] = field(factory=dict[type[Fault], Fault], init=False)
    _cuts: list[Callable[[], None]] = field(factory=list[Callable[[], None]], init=False, repr=False)
    _changed: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False, repr=False)

    def begin(self, fault: Fault) -> None:
        """Put a fault in force; it replaces one of its kind."""
        if isinstance(fault, Drop):
            for cut in self._cuts:
                cut()
            return
        self._active[type(fault)] = fault
        self._changed.unpark_all()

    def end(self, fault: Fault | type[Fault]) -> None:
        """End a fault, or the fault of that class; does nothing when there is none."""
        kind = fault if isinstance(fault, type) else type(fault)
        if isinstance(fault, type) or self._active.get(kind) is fault:
            self._active.pop(kind, None)
            self._changed.unpark_all()

    def clear(self) -> None:
        """End all faults."""
        self._active.clear()
        self._changed.unpark_all()

    def active(self, kind: type[_F]) -> _F | None:
        """Return the fault of that kind in force, or None."""
        fault = self._active.get(kind)
        return fault if isinstance(fault, kind) else None

    async def changed(self) -> None:
        """Wait until a fault begins or ends."""
        await self._changed.park()

    def on_drop(self, cut: Callable[[], None]) -> None:
        """Call `cut` at every `Drop`."""
        self._cuts.append(cut)

    def refuse_upgrades(self, status: int = 401, retry_after: int | None = None) -> None:
        """Refuse upgrades with this HTTP status."""
        self.begin(Refuse(status, retry_after))

    def throttle(self, retry_after: int) -> None:
        """Refuse upgrades with 429 and a Retry-After of `seconds`."""
        self.begin(Refuse(429, retry_after))

    def refuse_connections(self) -> None:
        """Stop listening."""
        self.begin(RefuseConnections())

    def close_on_accept(self, code: int = 1011, after: float = 0.0) -> None:
        """Close every new connection with this code, `after` seconds from its upgrade."""
        self.begin(CloseOnAccept(code, after))

    def drop_now(self) -> None:
        """Cut every open connection without a closing handshake."""
        self.begin(Drop())

    def silence(self) -> None:
        """Send nothing and close nothing."""
        self.begin(Silence())

    def slow(self, seconds: float) -> None:
        """Delay every answer by `seconds`."""
        self.begin(Slow(seconds))

    @property
    def refuse(self) -> int | None:
        """The HTTP status that refuses upgrades; None when they are accepted."""
        fault = self.active(Refuse)
        return None if fault is None else fault.status

    @refuse.setter
    def refuse(self, status: int | None) -> None:
        self._set(Refuse, None if status is None else Refuse(status))

    @property
    def close_code(self) -> int | None:
        """The code that closes new connections; None when they stay open."""
        fault = self.active(CloseOnAccept)
        return None if fault is None else fault.code

    @close_code.setter
    def close_code(self, code: int | None) -> None:
        self._set(CloseOnAccept, None if code is None else CloseOnAccept(code))

    @property
    def silent(self) -> bool:
        """Whether the service is silent."""
        return self.active(Silence) is not None

    @silent.setter
    def silent(self, on: bool) -> None:
        self._set(Silence, Silence() if on else None)

    @property
    def delay(self) -> float:
        """Seconds by which every answer is delayed."""
        fault = self.active(Slow)
        return 0.0 if fault is None else fault.seconds

    @delay.setter
    def delay(self, seconds: float) -> None:
        self._set(Slow, Slow(seconds) if seconds else None)

    @property
    def garbage(self) -> bool:
        """Whether answers are bytes that are not a message."""
        return self.active(Garbage) is not None

    @garbage.setter
    def garbage(self, on: bool) -> None:
        self._set(Garbage, Garbage() if on else None)

    @property
    def oversized(self) -> bool:
        """Whether answers are over 64 KiB."""
        return self.active(Oversized) is not None

    @oversized.setter
    def oversized(self, on: bool) -> None:
        self._set(Oversized, Oversized() if on else None)

    def _set(self, kind: type[Fault], fault: Fault | None) -> None:
        if fault is None:
            self.end(kind)
        else:
            self.begin(fault)


async def play(timed: Sequence[TimedFault], faults: Faults) -> None:
    """Begin and end a script's faults at their times, counted from the call."""
    start = trio.current_time()

    async def run_entry(entry: TimedFault) -> None:
        await trio.sleep_until(start + entry.begins)
        faults.begin(entry.fault)
        if entry.ends is not None:
            await trio.sleep_until(start + entry.ends)
            faults.end(entry.fault)

    async with trio.open_nursery() as nursery:
        for entry in timed:
            nursery.start_soon(run_entry, entry)
