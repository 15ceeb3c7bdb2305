"""What a supervisor's decisions are told (events), and what they want done (effects)."""

from __future__ import annotations

from typing import Final

from attrs import define

from ds_actors._rules import ChildRules

# Several of these are made for each start and each stop, and a frozen object takes attrs three times as long to make.
# So these are not frozen; nothing changes one.

# ---- events


@define(unsafe_hash=True, weakref_slot=False)
class Boot:
    """Start the children in order, each when the one before is ready."""


@define(unsafe_hash=True, weakref_slot=False)
class Ready:
    """An incarnation's `started` returned."""

    name: str
    incarnation: int


@define(unsafe_hash=True, weakref_slot=False)
class Ended:
    """An incarnation is gone; without a Ready before it, its start failed (unless it was being stopped)."""

    name: str
    incarnation: int
    error: BaseException | None = None
    healthy: bool = True
    ignored: bool = False
    """Its start said that it must not run: no failure, and nothing to start again (OTP's `ignore`)."""


@define(unsafe_hash=True, weakref_slot=False)
class Due:
    """The wait after a failure is over; `incarnation` is the one that failed."""

    name: str
    incarnation: int


@define(unsafe_hash=True, weakref_slot=False)
class Add:
    """Start one more child, after the others."""

    rules: ChildRules


@define(unsafe_hash=True, weakref_slot=False)
class Terminate:
    """Stop a child and do not start it again."""

    name: str


@define(unsafe_hash=True, weakref_slot=False)
class StartAgain:
    """Start a child that is at rest; it costs nothing, and a failure is not tried again."""

    name: str


@define(unsafe_hash=True, weakref_slot=False)
class Delete:
    """Forget a child that is at rest."""

    name: str


@define(unsafe_hash=True, weakref_slot=False)
class Shutdown:
    """Stop everything."""


Event = Boot | Ready | Ended | Due | Add | Terminate | StartAgain | Delete | Shutdown

# ---- effects


@define(unsafe_hash=True, weakref_slot=False)
class Start:
    """Begin this incarnation."""

    name: str
    incarnation: int


@define(unsafe_hash=True, weakref_slot=False)
class Stop:
    """Ask this incarnation to stop; it is cancelled when its grace is over."""

    name: str
    incarnation: int
    again: bool = False
    """It will be started again, so there is no need to empty its mailbox first."""


@define(unsafe_hash=True, weakref_slot=False)
class Wake:
    """Report `Due` at this time."""

    name: str
    incarnation: int
    at: float


FINISHED: Final = "finished"
CRASHED: Final = "crashed"
TERMINATED: Final = "terminated"
IGNORED: Final = "ignored its start"
START_FAILED: Final = "its start failed"
DELETED: Final = "deleted"
SUPERVISOR_STOPS: Final = "its supervisor is stopping"


@define(unsafe_hash=True, weakref_slot=False)
class Rest:
    """The child is down and will not be started again by itself; `forgotten` when its spec went too."""

    name: str
    forgotten: bool
    error: BaseException | None
    why: str


@define(unsafe_hash=True, weakref_slot=False)
class Booted:
    """Every child of the first batch is ready, or ignored its start."""


@define(unsafe_hash=True, weakref_slot=False)
class GaveUp:
    """The limit of restarts is reached: stops follow, then Halted."""

    name: str
    error: BaseException | None
    limit: str


@define(unsafe_hash=True, weakref_slot=False)
class BootFailed:
    """A child of the first batch did not start: stops follow, then Halted."""

    name: str
    error: BaseException | None


@define(unsafe_hash=True, weakref_slot=False)
class ShutDown:
    """A significant child ended, and with it the supervisor's work: stops follow, then Halted."""

    name: str


@define(unsafe_hash=True, weakref_slot=False)
class Halted:
    """Nothing lives any more, and nothing will be started."""


Effect = Start | Stop | Wake | Rest | Booted | GaveUp | BootFailed | ShutDown | Halted
