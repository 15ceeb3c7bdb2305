"""TOML texts that are read, and those that are refused in plain words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ds_actors.detection.toml_text import TomlError, load_toml

LEAST, MOST = -(2**63), 2**63 - 1


def arrays(depth: int) -> str:
    """Return arrays that are nested so deep, together with the table around them."""
    return f"a = {'[' * (depth - 1)}1{']' * (depth - 1)}"


def tables(depth: int) -> str:
    """Return tables that are nested so deep."""
    return f"{'.'.join('a' * depth)} = 1"


def test_a_text_is_read_as_the_table_that_it_is() -> None:
    """With integers and nesting as far as any file needs them."""
    text = f'name = "a"\nmost = {MOST}\nleast = {LEAST}\n[[part]]\nrate = 0.5\n'
    assert load_toml(text) == {"name": "a", "most": MOST, "least": LEAST, "part": [{"rate": 0.5}]}
    assert load_toml("") == {}


@pytest.mark.parametrize("nested", [arrays, tables])
def test_what_is_nested_up_to_16_deep_is_read(nested: Callable[[int], str]) -> None:
    """Arrays and tables count alike; beyond that, also beyond what Python can nest, one error says so."""
    assert load_toml(nested(16))
    for depth in (17, 900, 5_000):
        with pytest.raises(TomlError, match="nested 16 deep"):
            load_toml(nested(depth))


@pytest.mark.parametrize("number", [str(MOST + 1), str(LEAST - 1), "9" * 5_000, f"0x{'f' * 5_000}"])
@pytest.mark.parametrize("text", ["a = {}", "a = [1, [2, {}]]", "a.b.c = {}"])
def test_an_integer_of_more_than_64_bits_is_refused(number: str, text: str) -> None:
    """Wherever it is, also one with more digits than Python reads."""
    with pytest.raises(TomlError, match="64 bits"):
        load_toml(text.format(number))


def test_what_is_no_toml_is_told_with_its_place() -> None:
    """As the parser says it."""
    with pytest.raises(TomlError, match=r"not TOML: .*line 2"):
        load_toml("a = 1\nb = ?\n")
