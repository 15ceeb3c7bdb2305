"""Modules that claim to be pure are checked."""

from __future__ import annotations

import ast
import runpy
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = (ROOT / "src", ROOT / "adapters" / "livekit")


def modules() -> dict[str, ast.Module]:
    """Return the syntax trees of the library's and the plugin's modules, by name."""
    return {
        ".".join(path.relative_to(source).with_suffix("").parts): ast.parse(path.read_text("utf-8"))
        for source in SOURCES
        for path in source.rglob("*.py")
    }


def says_pure(tree: ast.Module) -> bool:
    return "Pure." in (ast.get_docstring(tree) or "").split()


def under_contract(modules: Iterable[str]) -> set[str]:
    """Return those that the import linter's contract holds; a package's entry counts for all modules in it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (listed,) = [contract["source_modules"] for contract in contracts if contract["name"].startswith("pure modules")]
    return {module for module in modules if any(module == name or module.startswith(f"{name}.") for name in listed)}


def test_every_module_that_says_pure_is_under_the_import_contract() -> None:
    """The import linter checks what each such module imports."""
    says = {module for module, tree in modules().items() if says_pure(tree)}
    assert len(says) > 10
    assert says == under_contract(says)


def test_every_pure_module_of_monitor_simulator_and_plugin_is_in_the_mutation_run() -> None:
    """But for those without a function: they have nothing to change."""
    own = {
        module: tree
        for module, tree in modules().items()
        if module.startswith(("ds_actors.detection.", "ds_actors.simulation.", "livekit.plugins.dataspike."))
    }
    held = under_contract(own)
    pure = {
        module
        for module, tree in own.items()
        if module in held or says_pure(tree)
        if any(isinstance(node, ast.FunctionDef) for node in ast.walk(tree))
    }
    assert len(pure) > 10
    tested = runpy.run_path(str(ROOT / "scripts" / "mutant_tests.py"))["TESTS"]
    assert pure <= set(tested)
