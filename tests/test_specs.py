"""What a spec keeps, what it makes of that for the decisions, and what it refuses when it is written."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from ds_actors import Actor, ChildSpec, DropOldest, ExponentialBackoff, Reject, SupervisorSpec
from ds_actors._rules import ChildRules
from ds_actors._specs import check_children


class Plain(Actor[str]):
    async def receive(self, _message: str, /) -> None: ...


def make_plain() -> Plain:
    return Plain()


class Nameless:
    """A factory without a name of its own."""

    def __init__(self, name: str | None = None) -> None:
        if name is not None:
            self.__name__ = name

    def __call__(self) -> Plain:
        return Plain()


def child(**options: Any) -> ChildSpec[str]:
    return ChildSpec(Plain, **options)


def supervisor(name: str = "inner", **options: Any) -> SupervisorSpec:
    return SupervisorSpec(name, **options)


BACKOFF = ExponentialBackoff()
OPTIONS: dict[str, Any] = {
    "restart": "transient",
    "backoff": BACKOFF,
    "max_failures": 3,
    "stable_after": 1.0,
    "significant": True,
}
OTHERS: dict[str, Any] = {
    "restart": "temporary",
    "backoff": ExponentialBackoff(),
    "max_failures": 4,
    "stable_after": 2.0,
    "significant": False,
}


def test_a_child_spec_keeps_what_it_was_given() -> None:
    """And has the documented defaults."""
    given = {**OPTIONS, "name": "a", "grace": 0, "start_timeout": 0, "mailbox": DropOldest, "drain": True}
    given["expected"] = (ValueError, Exception)
    spec = child(**given)
    assert {name: getattr(spec, name) for name in given} == given
    assert (spec.factory, spec.args, ChildSpec(cast("Any", Plain), 1, 2).args) == (Plain, (), (1, 2))
    spec = child()
    assert (spec.name, spec.restart, spec.backoff, spec.max_failures) == (None, "permanent", None, None)
    assert (spec.stable_after, spec.grace, spec.start_timeout, spec.mailbox) == (10.0, 5.0, 30.0, Reject)
    assert (spec.drain, spec.expected, spec.significant) == (False, (), False)


@pytest.mark.parametrize("make", [child, supervisor])
def test_the_decisions_get_the_rules_of_a_spec(make: Callable[..., Any]) -> None:
    """All of them, under the name that the child has here."""
    assert make(**OPTIONS).rules("b") == ChildRules("b", "transient", BACKOFF, 3, 1.0, significant=True)


def test_the_rules_of_many_children_of_one_spec_are_checked_once() -> None:
    """A pool or a program may start the same spec many times."""
    spec = child(name="a", **OPTIONS)
    assert spec.rules("a") is spec.rules("a")
    assert spec.rules("b").name == "b"


@pytest.mark.parametrize("changed", OPTIONS)
def test_a_spec_that_was_changed_has_other_rules(changed: str) -> None:
    """What was checked when it was made counts no more."""
    spec = child(name="a", **OPTIONS)
    setattr(spec, changed, OTHERS[changed])
    assert spec.rules("a") == child(name="a", **{**OPTIONS, changed: OTHERS[changed]}).rules("a")
    assert getattr(spec.rules("a"), changed) is OTHERS[changed]


@pytest.mark.parametrize(
    ("factory", "name"),
    [
        (Plain, "Plain"),
        (make_plain, "make_plain"),
        (lambda: Plain(), "lambda"),  # noqa: PLW0108 - it is the name that counts
        (partial(Plain), "partial"),
        (Nameless(), "Nameless"),
        (Nameless("<>"), "actor"),
    ],
)
def test_a_child_without_a_name_is_called_after_its_factory(factory: Callable[[], Plain], name: str) -> None:
    """As far as that has a name."""
    assert ChildSpec(factory).default_name() == name


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: ChildSpec(cast("Any", Plain())), TypeError, "pass the class, Plain, not an instance"),
        (lambda: ChildSpec(cast("Any", 3)), TypeError, "the factory must be callable, not 3"),
        (lambda: child(name=""), ValueError, "must not be empty"),
        (lambda: child(expected=ValueError), TypeError, "expected must be a tuple"),
        (lambda: child(expected=(ValueError, "x")), TypeError, "expected must be a tuple"),
        (lambda: child(expected=(KeyboardInterrupt,)), TypeError, "expected must be a tuple"),
        (lambda: child(mailbox=Reject()), TypeError, r"mailbox=lambda: Reject\(\.\.\.\)"),
        (lambda: child(grace=-1), ValueError, "grace must be 0 or more seconds, not -1"),
        (lambda: child(start_timeout=math.nan), ValueError, "start_timeout must be 0 or more seconds, not nan"),
        (lambda: child(grace="5"), ValueError, "grace must be 0 or more seconds, not '5'"),
        (lambda: supervisor(name=""), ValueError, "must not be empty"),
        (lambda: supervisor(strategy="all"), ValueError, "strategy must be one of"),
        (lambda: supervisor(max_restarts=-1), ValueError, "max_restarts must be"),
        (lambda: supervisor(within=0), ValueError, "within must be"),
        (lambda: supervisor(auto_shutdown="x"), ValueError, "auto_shutdown must be"),
        (lambda: supervisor(stable_after=-1), ValueError, "stable_after must be"),
        (lambda: supervisor(grace=-1), ValueError, "grace must be 0 or more seconds, not -1"),
        (lambda: supervisor(max_children=-1), ValueError, "max_children must be 0 or more"),
        (lambda: supervisor(max_children=True), ValueError, "max_children must be 0 or more"),
        (lambda: supervisor(max_children=1.5), ValueError, "max_children must be 0 or more"),
        (lambda: supervisor(children=[Plain]), TypeError, r"write ChildSpec\(Plain\), not Plain"),
        (lambda: supervisor(children=[int]), TypeError, "must hold ChildSpec and SupervisorSpec, not <class 'int'>"),
        (lambda: supervisor(children=["a"]), TypeError, "must hold ChildSpec and SupervisorSpec, not 'a'"),
        (lambda: supervisor(children="a"), TypeError, "must be a list of specs"),
        (lambda: supervisor(children={child()}), TypeError, "must be a list of specs"),
        (lambda: supervisor(children=iter([child()])), TypeError, "must not be a generator"),
    ],
)
def test_a_spec_that_cannot_work_is_refused_where_it_is_written(
    make: Callable[[], object], error: type[Exception], words: str
) -> None:
    """In words that say what to write instead."""
    with pytest.raises(error, match=words):
        make()


def test_the_least_that_makes_sense_is_accepted() -> None:
    """No child, no grace, no restart; and children that a function returns are looked at when it is called."""
    supervisor(children=[], max_children=0, grace=0, max_restarts=0)
    spec = supervisor(children=lambda: [Plain])
    assert (spec.max_children, spec.grace) == (None, math.inf)
    children = (child(), spec)
    assert check_children(children) is children
