"""Mutation run: change the pure modules in one small place at a time, and check whether a test fails.

    python scripts/mutants.py [--only NAME] [--list]

Each mutant is one change (a comparison, an operator, a constant, a negated condition, a removed statement). It
runs in its own process against the tests of its module, examples before laws; one that runs forever is detected
too. A mutant that survives needs a line in SURVIVORS with its reason; the run fails where one has none, and where a
reason has no survivor any more.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import hypothesis.strategies  # noqa: F401 - imported once, before the forks
import pytest
import trio.testing  # noqa: F401 - the same

ROOT = Path(__file__).parent.parent

MAILBOXES = ["tests/laws/test_mailbox_laws.py", "tests/laws/test_inbox_of_a_live_actor_laws.py"]

# The tests that must fail, in order of their detections.
TESTS = {
    "_supervision": [
        "tests/oracle/test_oracle.py::test_two_thousand_recorded_stories_come_out_as_erlang_told_them",
        "tests/laws/test_supervision_laws.py",
    ],
    "_backoff": ["tests/laws/test_backoff_laws.py"],
    "_mailbox": MAILBOXES,
    "_queue_mailboxes": MAILBOXES,
    "_conflate": MAILBOXES,
}

# Seconds of processor time, several times the slowest run; and of real time, for a mutant that waits forever.
COMPUTES, WAITS = 40, 240

# The child inherits hypothesis and trio, already imported.
QUIET = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]

# Survivors by module, line and change, with the reason why no test can or should detect them.
SURVIVORS: dict[tuple[str, str, str, str], str] = {
    ("_backoff", "doublings = min(count - 1, 1000)", "1000", "1001"): "any number that leads beyond every cap will do",
    (
        "_supervision",
        "cause = self.children.get(current.cause) if current.cause is not None else None",
        "self.children.get(current.cause) if current.cause is not None else None",
        "self.children.get(current.cause)",
    ): "no child is called None; the condition is there for the types",
}

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    """One change."""

    module: str
    line: int
    text: str
    was: str
    becomes: str
    source: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Its identity, independent of line numbers."""
        return self.module, self.text, self.was, self.becomes

    def __str__(self) -> str:
        return f"{self.module}.py:{self.line}: {self.text}\n    {self.was!r} -> {self.becomes!r}"


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the replacements of a node."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            other = copy.deepcopy(node)
            other.ops = [COMPARISONS[type(op)]()]
            yield other
        case ast.BinOp(op=op) if type(op) in OPERATORS:
            other_op = copy.deepcopy(node)
            other_op.op = OPERATORS[type(op)]()
            yield other_op
        case ast.AugAssign(op=op) if type(op) in OPERATORS:
            other_aug = copy.deepcopy(node)
            other_aug.op = OPERATORS[type(op)]()
            yield other_aug
        case ast.BoolOp(op=op):
            other_bool = copy.deepcopy(node)
            other_bool.op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield other_bool
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float()):
            yield ast.Constant(node.value + 1)
        case ast.IfExp():
            yield node.body
            yield node.orelse
        case ast.If():
            other_if = copy.deepcopy(node)
            other_if.test = ast.UnaryOp(ast.Not(), other_if.test)
            yield other_if
        case ast.Expr(value=ast.Yield() | ast.YieldFrom() | ast.Call()) | ast.Assign() | ast.AugAssign() | ast.Delete():
            yield ast.Pass()
        case ast.Return() | ast.Break() | ast.Continue():
            yield ast.Pass()
        case _:
            pass


def in_code(tree: ast.Module) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Yield each node inside a function with its parent, field and index."""
    inside = [(node, False) for node in tree.body]
    while inside:
        parent, code = inside.pop()
        code = code or isinstance(parent, ast.FunctionDef)
        for name, value in ast.iter_fields(parent):
            for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(child, ast.AST) or name in ("annotation", "returns", "decorator_list"):
                    continue
                inside.append((child, code))
                if code and name not in ("defaults", "kw_defaults") and not is_text(child):
                    yield parent, name, place


def is_text(node: ast.AST) -> bool:
    """Skip error texts and docstrings, which are not behaviour."""
    return isinstance(node, (ast.Raise, ast.JoinedStr)) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def mutants(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    source = (ROOT / "src/ds_actors" / f"{module}.py").read_text()
    tree = ast.parse(source)
    for parent, name, place in in_code(tree):
        value = getattr(parent, name)
        node = value if place is None else value[place]
        if isinstance(parent, ast.FunctionDef) and node is parent.body[-1] and ast.unparse(node) == "return None":
            continue  # a function's end returns None anyway
        for changed in changes(node):
            if place is None:
                setattr(parent, name, changed)
            else:
                value[place] = changed
            text = source.splitlines()[node.lineno - 1].strip()
            mutated = ast.unparse(ast.fix_missing_locations(tree))
            yield Mutant(module, node.lineno, text, first_line(node), first_line(changed), mutated)
            if place is None:
                setattr(parent, name, node)
            else:
                value[place] = node


def first_line(node: ast.AST) -> str:
    """Return a node's source, cut to its first line."""
    return ast.unparse(node).splitlines()[0]


class Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the mutant in place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """Answer for the one module."""
        return spec_from_loader(name, self) if name == f"ds_actors.{self.mutant.module}" else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant's source."""
        exec(compile(self.mutant.source, module.__name__, "exec"), module.__dict__)


class ExamplesFirst:
    """Runs plain tests before hypothesis tests: they take milliseconds and detect most mutants."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the order within each group."""
        items.sort(key=lambda item: getattr(getattr(item, "obj", None), "is_hypothesis_test", False))


def test(mutant: Mutant) -> NoReturn:
    """Run the tests of a mutant's module in a process forked with pytest already imported."""
    resource.setrlimit(resource.RLIMIT_CPU, (COMPUTES, COMPUTES))
    sys.meta_path.insert(0, Loader(mutant))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.chdir(ROOT)
    options = ["-x", "-q", "-p", "no:cacheprovider", *QUIET]
    os._exit(pytest.main([*options, *TESTS[mutant.module]], plugins=[ExamplesFirst()]))


def tested(found: list[Mutant]) -> Iterator[tuple[Mutant, bool, bool]]:
    """Yield each mutant after its tests, with whether it survived and whether it ran forever."""
    fork, left = get_context("fork"), found[::-1]
    running: dict[int, tuple[ForkProcess, Mutant, float]] = {}
    while left or running:
        while left and len(running) < (os.cpu_count() or 1):
            mutant = left.pop()
            process = fork.Process(target=test, args=(mutant,))
            process.start()
            running[process.sentinel] = process, mutant, time.monotonic() + WAITS
        over = wait(list(running), timeout=1)
        for sentinel, (process, mutant, latest) in list(running.items()):
            if time.monotonic() > latest:
                process.kill()
            if sentinel in over or time.monotonic() > latest:
                process.join()
                del running[sentinel]
                code = process.exitcode
                assert code is not None
                if code > 2:  # all passed, a test failed, or the module could not even be imported
                    raise RuntimeError(f"{mutant}: pytest ended with {code}")
                yield mutant, code == 0, code < 0


def main() -> int:
    """Run all mutants, and report survivors without a reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=TESTS, help="one module")
    parser.add_argument("--list", action="store_true", help="list the mutants without running them")
    arguments = parser.parse_args()
    found = [mutant for module in TESTS if arguments.only in (None, module) for mutant in mutants(module)]
    if arguments.list:
        for mutant in found:
            print(mutant)
        print(len(found), "mutants")
        return 0
    began, endless = time.monotonic(), 0
    unchanged = [
        Mutant(module, 0, "", "", "", (ROOT / "src/ds_actors" / f"{module}.py").read_text())
        for module in {mutant.module: None for mutant in found}
    ]
    survivors: list[Mutant] = []
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    if not all(passed for _, passed, _ in tested(unchanged)):
        raise RuntimeError("the tests fail on the unchanged modules")
    for number, (mutant, alive, for_ever) in enumerate(tested(found), 1):
        endless += for_ever
        if alive:
            survivors.append(mutant)
            print(f"survived: {mutant}", flush=True)
        if number % 50 == 0:
            print(f"{number} of {len(found)}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    keys = {mutant.key for mutant in survivors}
    unexplained = [mutant for mutant in survivors if mutant.key not in SURVIVORS]
    stale = [key for key in SURVIVORS if key not in keys and arguments.only in (None, key[0])]
    killed = len(found) - len(survivors)
    print(f"{len(found)} mutants, {killed} killed ({endless} ran forever), {len(survivors)} survived")
    for mutant in unexplained:
        print(f"no reason given: {mutant}")
    for key in stale:
        print(f"a reason for a mutant that did not survive: {key}")
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    sys.exit(main())
