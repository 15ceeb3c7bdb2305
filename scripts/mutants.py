"""Mutation run: change the pure modules one small place at a time, and see whether a test notices.

    python scripts/mutants.py [--only NAME] [--list]

Each mutant is one change (a comparison, an operator, a constant, a condition turned round, a statement left out). It
runs in a process of its own against the tests of its module, the quickest first. A mutant that survives needs a
line in SURVIVORS with its reason; the run fails where one has none, and where a reason has no survivor any more.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import hypothesis.strategies  # noqa: F401 - imported once, before the forks
import pytest
import trio.testing  # noqa: F401 - the same

ROOT = Path(__file__).parent.parent

# The tests that must notice, the quickest first.
TESTS = {
    "_supervision": [
        "tests/oracle/test_oracle.py::test_two_thousand_recorded_stories_come_out_as_erlang_told_them",
        "tests/laws/test_supervision_laws.py",
    ],
    "_backoff": ["tests/laws/test_backoff_laws.py"],
    "_mailbox": ["tests/laws/test_mailbox_laws.py"],
}

# That hypothesis and trio are imported already is the point.
QUIET = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]

# Survivors, by module, the source of the line, and what it became: why no test can tell them apart, or none should.
SURVIVORS: dict[tuple[str, str, str], str] = {
    ("_backoff", "1000", "1001"): "any number of doublings that leads beyond every cap will do",
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
    """One changed place."""

    module: str
    line: int
    was: str
    becomes: str
    source: str

    def __str__(self) -> str:
        return f"{self.module}.py:{self.line}: {self.was!r} -> {self.becomes!r}"


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what could stand in a node's place."""
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
    """Yield each node inside a function, with where it hangs: parent, field, place."""
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
    """Errors' texts and docstrings are no behaviour to test by mutation."""
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
            continue  # which is what a function's end returns anyway
        for changed in changes(node):
            if place is None:
                setattr(parent, name, changed)
            else:
                value[place] = changed
            text = ast.unparse(ast.fix_missing_locations(tree))
            yield Mutant(module, node.lineno, first_line(node), first_line(changed), text)
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


def survives(mutant: Mutant) -> bool:
    """Run the tests of its module on it, in a process of its own that was forked with pytest already imported."""
    sys.meta_path.insert(0, Loader(mutant))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.chdir(ROOT)
    done = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--timeout=40", *QUIET, *TESTS[mutant.module]])
    if done > 2:  # all passed, a test failed, or the module could not even be imported
        raise RuntimeError(f"{mutant}: pytest ended with {done}")
    return done == 0


def main() -> int:
    """Run them all, and say which survived without a reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=TESTS, help="one module")
    parser.add_argument("--list", action="store_true", help="say what would be run")
    arguments = parser.parse_args()
    found = [one for module in TESTS if arguments.only in (None, module) for one in mutants(module)]
    if arguments.list:
        for one in found:
            print(one)
        print(len(found), "mutants")
        return 0
    began = time.monotonic()
    unchanged = [
        Mutant(module, 0, "", "", (ROOT / "src/ds_actors" / f"{module}.py").read_text())
        for module in {one.module: None for one in found}
    ]
    survivors: list[Mutant] = []
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    with get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        if not all(pool.imap(survives, unchanged)):
            raise RuntimeError("the tests fail on the modules as they are")
        for number, (one, alive) in enumerate(zip(found, pool.imap(survives, found), strict=True), 1):
            if alive:
                survivors.append(one)
                print(f"survived: {one}", flush=True)
            if number % 50 == 0:
                print(f"{number} of {len(found)}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    keys = {(one.module, one.was, one.becomes) for one in survivors}
    unexplained = [one for one in survivors if (one.module, one.was, one.becomes) not in SURVIVORS]
    stale = [key for key in SURVIVORS if key not in keys and arguments.only in (None, key[0])]
    print(f"{len(found)} mutants, {len(found) - len(survivors)} killed, {len(survivors)} survived")
    for one in unexplained:
        print(f"no reason given: {one}")
    for key in stale:
        print(f"a reason for a mutant that did not survive: {key}")
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    sys.exit(main())
