"""Mutation run: change the pure modules in one small place at a time, and check whether a test fails.

    python scripts/mutants.py [--only MODULE ...] [--jobs NUMBER] [--list]

Each mutant is one change (a comparison, an operator, a constant, a negated condition, a removed statement). It
runs against the tests of its module, examples before laws, in a process forked after they were collected; one that
runs forever is detected too. A mutant that survives needs a line in SURVIVORS (`mutant_tests.py`) with its reason. The
run fails where one has none (and prints the line to fill in), where a reason has no survivor any more, where a module
has more than one survivor and these are more than 2 % of its mutants, and where tests fail on an unchanged module. At
the end it prints a table of modules.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import inspect
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import NoReturn, TextIO

import pytest
from mutant_tests import ADAPTER, SURVIVORS, TESTS

ROOT = Path(__file__).parent.parent

# Seconds of processor time, several times the slowest run; and of real time, for a mutant that waits forever.
COMPUTES, WAITS = 40, 240

# The most survivors of a module: one, or this share of its mutants where that is more.
SHARE = 0.02

# Parts of a function that are not in its code: they were evaluated when its module was imported.
NOT_CODE = ("annotation", "returns", "decorator_list", "defaults", "kw_defaults")

QUIET = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]

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
        return f"{self.module}:{self.line}: {self.text}\n    {self.was!r} -> {self.becomes!r}"


def path_of(module: str) -> Path:
    """Return the file of a module."""
    root = ROOT / ("adapters/livekit" if module.startswith(ADAPTER) else "src")
    return root / f"{module.replace('.', '/')}.py"


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
                if not isinstance(child, ast.AST) or name in NOT_CODE:
                    continue
                inside.append((child, code))
                if code and not is_text(child):
                    yield parent, name, place


def is_text(node: ast.AST) -> bool:
    """Skip error texts and docstrings, which are not behaviour."""
    return isinstance(node, (ast.Raise, ast.JoinedStr)) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def mutants(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    source = path_of(module).read_text()
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


def functions(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a module's functions and of its classes' methods."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            is_class = not inner.co_flags & inspect.CO_NEWLOCALS
            yield from functions(inner) if is_class else [inner]


# Where a property, a cached one, a static or class method, or a decorated function keeps the function.
HOLDS = ("fget", "fset", "func", "__func__", "__wrapped__")


def live_functions(owner: ModuleType | type, module: ModuleType) -> Iterator[FunctionType]:
    """Yield the functions and methods that a module defines."""
    for value in vars(owner).values():
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield from live_functions(value, module)
        for part in (value, *(getattr(value, name, None) for name in HOLDS)):
            if isinstance(part, FunctionType) and part.__code__.co_filename == module.__file__:
                yield part


def apply(mutant: Mutant) -> None:
    """Give the functions of the imported module the mutant's code, also for those who hold one already."""
    module = importlib.import_module(mutant.module)
    changed = {code.co_qualname: code for code in functions(compile(mutant.source, str(module.__file__), "exec"))}
    for function in live_functions(module, module):
        function.__code__ = changed[function.__code__.co_qualname]


class OneByOne:
    """Runs the tests of one module for each mutant, in a process forked after they were collected.

    The first of these mutants changes nothing: what fails there, or cannot be collected, is shown on `errors`.
    """

    def __init__(self, found: list[Mutant], jobs: int, results: int, errors: TextIO) -> None:
        self.left, self.jobs, self.results, self.errors = [*enumerate(found)][::-1], jobs, results, errors
        self.running: dict[int, tuple[int, float]] = {}
        self.unchanged = True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Show what cannot be collected."""
        self.show(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Show which test fails although nothing was changed."""
        self.show(report)

    def show(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        """Show a failure, unless it is a mutant's."""
        if report.failed and self.unchanged:
            print(f"{report.longreprtext}\nFAILED {report.nodeid}", file=self.errors, flush=True)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put plain tests before hypothesis tests: they take milliseconds and detect most mutants."""
        items.sort(key=lambda item: getattr(getattr(item, "obj", None), "is_hypothesis_test", False))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run every mutant, and write its number and the exit code of its process."""
        if session.testsfailed:
            return True  # they cannot be collected
        while self.left or self.running:
            while self.left and len(self.running) < self.jobs:
                number, mutant = self.left.pop()
                pid = os.fork()
                if not pid:
                    self.unchanged = number == 0
                    self.test(mutant, session)
                self.running[pid] = number, time.monotonic() + WAITS
            for pid in list(self.running):
                number, latest = self.running[pid]
                if time.monotonic() > latest:
                    os.kill(pid, signal.SIGKILL)
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    del self.running[pid]
                    os.write(self.results, f"{number} {os.waitstatus_to_exitcode(status)}\n".encode())
                    if number == 0 and status:
                        self.left.clear()  # no mutant could be told from it
            time.sleep(0.002)
        return True

    def test(self, mutant: Mutant, session: pytest.Session) -> NoReturn:
        """Run the tests up to the first that fails."""
        resource.setrlimit(resource.RLIMIT_CPU, (COMPUTES, COMPUTES))
        apply(mutant)
        for item in session.items:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if session.testsfailed:
                os._exit(1)
        os._exit(0)


def tested(module: str, found: list[Mutant], jobs: int) -> Iterator[tuple[Mutant, int]]:
    """Yield each mutant of a module, and after all of them the unchanged module, with the exit code of its tests."""
    readable, writable = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(readable)
        errors = os.fdopen(os.dup(2), "w")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.chdir(ROOT)
        options = ["-q", "-s", "-p", "no:cacheprovider", *QUIET]
        os._exit(pytest.main([*options, *TESTS[module]], plugins=[OneByOne(found, jobs, writable, errors)]))
    os.close(writable)
    with os.fdopen(readable) as lines:
        for line in lines:
            number, code = map(int, line.split())
            yield found[number], code
    os.waitpid(pid, 0)


def progress(text: str) -> None:
    """Replace the last line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text}", end="\x1b[K", file=sys.stderr, flush=True)


def main() -> int:
    """Run all mutants, and report survivors without a reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=TESTS, default=list(TESTS), metavar="MODULE")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--list", action="store_true", help="list the mutants without running them")
    arguments = parser.parse_args()
    found = [mutant for module in arguments.only for mutant in mutants(module)]
    if arguments.list:
        for mutant in found:
            print(mutant)
        print(len(found), "mutants")
        return 0
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    survivors, endless, seconds = list[Mutant](), 0, dict[str, float]()
    for module in arguments.only:
        began = time.monotonic()
        own = [mutant for mutant in found if mutant.module == module]
        unchanged = Mutant(module, 0, "", "", "", path_of(module).read_text())
        outcomes = dict[Mutant, int]()
        for mutant, code in tested(module, [unchanged, *own], arguments.jobs):
            outcomes[mutant] = code
            progress(f"{module}: {len(outcomes) - 1} of {len(own)}")
        progress("")
        if len(outcomes) != len(own) + 1 or outcomes.pop(unchanged) != 0:
            tests = " ".join(TESTS[module])
            sys.exit(
                f"{module} is unchanged, and its tests fail, take too long, or cannot be collected: mend them, or their"
                f" list in scripts/mutant_tests.py, until this passes:\n    HYPOTHESIS_PROFILE=mutants pytest {tests}"
            )
        seconds[module] = time.monotonic() - began
        endless += sum(code < 0 for code in outcomes.values())
        for mutant, code in outcomes.items():
            if code == 0:
                survivors.append(mutant)
                print(f"survived: {mutant}", flush=True)
    print(f"{len(found)} mutants, {len(survivors)} survived, {endless} ran forever")
    return report(seconds, Counter(mutant.module for mutant in found), survivors)


def report(seconds: dict[str, float], numbers: Counter[str], survivors: list[Mutant]) -> int:
    """Print the table and what is wrong with it; return the exit code."""
    keys, alive = {mutant.key for mutant in survivors}, Counter(mutant.module for mutant in survivors)
    print("| module | mutants | survive | seconds |\n| --- | --- | --- | --- |")
    for module, taken in seconds.items():
        print(f"| `{module}` | {numbers[module]} | {alive[module]} | {taken:.0f} |")
    wrong = [f'    {key}: "",' for key in sorted(keys) if not SURVIVORS.get(key)]
    if wrong:
        wrong.insert(0, "notice these in a test, or give each its reason in SURVIVORS in scripts/mutant_tests.py:")
    stale = [key for key in SURVIVORS if key[0] in seconds and key not in keys]
    wrong += [f"a reason for a mutant that did not survive: {key}" for key in stale]
    many = [module for module in seconds if alive[module] > max(1, SHARE * numbers[module])]
    wrong += [f"more than one survives in {module}, and more than {SHARE:.0%}" for module in many]
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
