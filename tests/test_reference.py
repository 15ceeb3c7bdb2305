"""What the reference pages list: a member without a description is missing there."""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
from pathlib import Path

import pytest

PAGES = [Path("docs/reference.md"), Path("docs/actors/reference.md")]
ROOT = Path(__file__).parent.parent
MODULES = sorted(
    {name for page in PAGES for name in re.findall(r"^::: (\S+)$", (ROOT / page).read_text(), re.MULTILINE)}
)
ENUMS: dict[str, type[enum.Enum]] = {
    public.__name__: public
    for module in map(importlib.import_module, MODULES)
    for public in vars(module).values()
    if inspect.isclass(public) and issubclass(public, enum.Enum) and public.__module__.startswith("ds_actors.")
}


@pytest.mark.parametrize("name", sorted(ENUMS))
def test_each_member_of_a_public_enumeration_is_described(name: str) -> None:
    """A docstring stands behind each of them."""
    kind = ENUMS[name]
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    behind = zip(definition.body, definition.body[1:], strict=False)
    described = {
        target.id
        for statement, text in behind
        if isinstance(statement, ast.Assign) and isinstance(text, ast.Expr)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    assert described >= set(kind.__members__)
