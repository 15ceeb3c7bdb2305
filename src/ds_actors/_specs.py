"""Child specs: what a supervisor needs to know to start a child, and to start it again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Generic, TypeVar, TypeVarTuple, cast

from attrs import field, frozen

from ds_actors._actor import Actor
from ds_actors._backoff import Backoff
from ds_actors._mailbox import Mailbox
from ds_actors._queue_mailboxes import Reject
from ds_actors._rules import AutoShutdown, ChildRules, Restart, Strategy
from ds_actors._supervision import Supervision


def _is_exception(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exception)


# Covariant, so that a list of specs of different actors has a type that checkers can infer.
M_co = TypeVar("M_co", covariant=True)
Ts = TypeVarTuple("Ts")


def _seconds(name: str, value: float) -> None:
    if not isinstance(cast("object", value), (int, float)) or not value >= 0:
        raise ValueError(f"{name} must be 0 or more seconds, not {value!r}")


class Spec:
    """The base class of `ChildSpec` and `SupervisorSpec`, for the annotation of a list that holds both."""

    __slots__ = ()


class ChildSpec(Spec, Generic[M_co]):
    """How an actor is made and supervised.

    Args:
        factory: the actor's class, or any function that returns a new actor; called for every incarnation.
        args: passed to the factory.
        name: unique among its siblings; by default made from the factory's name.
        restart: permanent (always started again), transient (after a crash only) or temporary (never).
        backoff: judges this child by its own consecutive failures instead of the supervisor's window.
        max_failures: with a backoff, more consecutive failures than these make the supervisor give up.
        stable_after: seconds of healthy life after which failures are forgotten.
        grace: seconds from the request to stop until the actor is cancelled.
        start_timeout: seconds within which `started` must return.
        mailbox: makes the mailbox, once; it survives restarts.
        drain: handle what is queued before stopping.
        expected: crashes of these types are reported at DEBUG, without a traceback; they count like any other.
        significant: its end may end its supervisor, depending on `auto_shutdown` there; not for permanent children.

    Raises:
        TypeError: when given an actor or a mailbox instead of what makes one.
        ValueError: for figures that make no sense.
    """

    __slots__ = (
        "_checked",
        "args",
        "backoff",
        "drain",
        "expected",
        "factory",
        "grace",
        "mailbox",
        "max_failures",
        "name",
        "restart",
        "significant",
        "stable_after",
        "start_timeout",
    )

    def __init__(
        self,
        factory: Callable[[*Ts], Actor[M_co]],
        /,
        *args: *Ts,
        name: str | None = None,
        restart: Restart = "permanent",
        backoff: Backoff | None = None,
        max_failures: int | None = None,
        stable_after: float = 10.0,
        grace: float = 5.0,
        start_timeout: float = 30.0,
        mailbox: Callable[[], Mailbox[Any]] = Reject,
        drain: bool = False,
        expected: tuple[type[Exception], ...] = (),
        significant: bool = False,
    ) -> None:
        if isinstance(cast("object", factory), Actor):
            raise TypeError(f"pass the class, {type(factory).__name__}, not an instance: each restart makes a new one")
        if not callable(factory):
            raise TypeError(f"the factory must be callable, not {factory!r}")
        kinds = cast("object", expected)
        if not isinstance(kinds, tuple) or not all(_is_exception(kind) for kind in cast("tuple[object, ...]", kinds)):
            raise TypeError(f"expected must be a tuple of exception types, as (ValueError,) is, not {expected!r}")
        if not callable(cast("object", mailbox)):
            kind = type(mailbox).__name__
            raise TypeError(f"mailbox makes the mailbox, so pass a function, as in mailbox=lambda: {kind}(...)")
        _seconds("grace", grace)
        _seconds("start_timeout", start_timeout)
        self.factory: Callable[..., Actor[M_co]] = factory
        self.args: tuple[Any, ...] = args
        self.name: str | None = name
        self.restart: Restart = restart
        self.backoff: Backoff | None = backoff
        self.max_failures: int | None = max_failures
        self.stable_after: float = stable_after
        self.grace: float = grace
        self.start_timeout: float = start_timeout
        self.mailbox: Callable[[], Mailbox[Any]] = mailbox
        self.drain: bool = drain
        self.expected: tuple[type[Exception], ...] = expected
        self.significant: bool = significant
        self._checked: ChildRules | None = None
        self._checked = self.rules("unnamed" if name is None else name)

    def default_name(self) -> str:
        """Return the factory's own name, which a supervisor numbers where it is taken."""
        return getattr(self.factory, "__name__", type(self.factory).__name__).strip("<>") or "actor"

    def rules(self, name: str) -> ChildRules:
        """Return what the decisions need to know."""
        known = self._checked
        if (
            known is not None
            and known.name == name
            and known.restart == self.restart
            and known.backoff is self.backoff
            and known.max_failures == self.max_failures
            and known.stable_after == self.stable_after
            and known.significant == self.significant
        ):
            return known  # checked once, when the spec was made
        return ChildRules(name, self.restart, self.backoff, self.max_failures, self.stable_after, self.significant)


Children = Sequence[Spec] | Callable[[], Sequence[Spec]]


def check_children(children: object) -> Sequence[ChildSpec[Any] | SupervisorSpec]:
    """Return what is a sequence of specs.

    Raises:
        TypeError: when it is something else; says what to write instead.
    """
    if isinstance(children, Iterator):
        raise TypeError("children must not be a generator, which is empty at the second start; use a list")
    if not isinstance(children, Sequence) or isinstance(children, str):
        raise TypeError(f"children must be a list of specs, or a function that returns one, not {children!r}")
    for child in cast("Sequence[object]", children):
        if isinstance(child, type) and issubclass(child, Actor):
            raise TypeError(f"children must hold specs: write ChildSpec({child.__name__}), not {child.__name__}")
        if not isinstance(child, (ChildSpec, SupervisorSpec)):
            raise TypeError(f"children must hold ChildSpec and SupervisorSpec, not {child!r}")
    return cast("Sequence[ChildSpec[Any] | SupervisorSpec]", children)


@frozen
class SupervisorSpec(Spec):
    """How a nested supervisor is made and supervised.

    `children` is a sequence, or a callable evaluated at every start (OTP's init). After a restart those children run
    again; what `start` added later is gone.

    Raises:
        ValueError: for an empty name, or figures that make no sense.
        TypeError: for children that are not specs, or a generator.
    """

    ref_type: ClassVar[type[Any] | None] = None
    """What its references are; None for `SupervisorRef`."""

    name: str
    strategy: Strategy = "one_for_one"
    children: Children = ()
    max_restarts: int = 3
    within: float = 5.0
    max_children: int | None = None
    restart: Restart = "permanent"
    backoff: Backoff | None = None
    max_failures: int | None = None
    stable_after: float = 10.0
    grace: float = field(default=math.inf)
    """Seconds for the whole subtree to stop; by default as long as its parent has."""
    auto_shutdown: AutoShutdown = "never"
    """Whether it finishes when any significant child, or the last one, ends; then it should not be permanent."""
    significant: bool = False
    """Its end may end its parent, depending on `auto_shutdown` there; not for permanent children."""

    def __attrs_post_init__(self) -> None:
        Supervision(self.strategy, self.max_restarts, self.within, self.auto_shutdown)
        self.rules(self.name)
        _seconds("grace", self.grace)
        most = cast("object", self.max_children)
        if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 0):
            raise ValueError(f"max_children must be 0 or more, or None for any number, not {most!r}")
        if not callable(self.children):
            check_children(self.children)

    def rules(self, name: str) -> ChildRules:
        """Return what the decisions need to know."""
        return ChildRules(name, self.restart, self.backoff, self.max_failures, self.stable_after, self.significant)
