"""Modules that claim to be pure are checked."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_module_that_says_pure_is_under_the_import_contract() -> None:
    """The import linter checks what each such module imports."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (listed,) = [
        set(contract["source_modules"]) for contract in contracts if contract["name"].startswith("pure modules")
    ]
    source = ROOT / "src"
    says = {
        ".".join(path.relative_to(source).with_suffix("").parts)
        for path in source.rglob("*.py")
        if "Pure." in (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split()
    }
    assert len(says) > 10
    # The linter applies a package's entry to all modules in it.
    held = {module for module in says if any(module == name or module.startswith(f"{name}.") for name in listed)}
    assert says == held
