"""What says that it is pure is held to it."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_module_that_says_pure_is_under_the_import_contract() -> None:
    """Nobody's word is taken for it: the linter looks at what such a module imports."""
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
    # The linter takes a package for all that is in it.
    held = {module for module in says if any(module == name or module.startswith(f"{name}.") for name in listed)}
    assert says == held
