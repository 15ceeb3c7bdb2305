"""The decision to restart one of many children: CPU time, compared with 10 children in the same run.

Yardstick: `Supervision.handle` of a crash and of the new incarnation's readiness, one_for_one, no shell. The goal is
that 100 or 1,000 times as many children do not make a decision slower: the ratio stays below 1.5.
"""

from __future__ import annotations

from time import process_time

from _compare import Contestant, Goal, compare, rounds

from ds_actors._events import Boot, Ended, Ready, Start
from ds_actors._rules import ChildRules
from ds_actors._supervision import Supervision

DECISIONS = 5_000


def deciding(children: int) -> Contestant:
    """Return the contestant that repeatedly restarts the child in the middle."""

    def run() -> float:
        supervision = Supervision("one_for_one", max_restarts=3, within=5.0)
        for number in range(children):
            supervision.adopt(ChildRules(f"child-{number}"))
        effects = supervision.handle(Boot(), 0.0)
        while effects and isinstance(effects[0], Start):
            effects = supervision.handle(Ready(effects[0].name, 1), 0.0)
        name, error, now = f"child-{children // 2}", ValueError(), 0.0
        begin = process_time()
        for incarnation in range(1, DECISIONS + 1):
            now += 10.0
            supervision.handle(Ended(name, incarnation, error), now)
            supervision.handle(Ready(name, incarnation + 1), now)
        took = process_time() - begin
        assert supervision.children[name].restarts == DECISIONS
        return took / DECISIONS

    return run


def main() -> None:
    """Print one row per number of children."""
    for children in (100, 1_000, 10_000):
        compare(
            f"a restart decision among {children:,} children",
            deciding(children),
            {"among 10": deciding(10)},
            (Goal("among 10", most=1.5),),
            rounds=rounds(9),
        )


if __name__ == "__main__":
    main()
