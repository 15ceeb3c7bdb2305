"""Reads values from a scenario's TOML; every error names its key."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from ds_actors.detection.toml_text import TomlError, load_toml

T = TypeVar("T")


class ScriptError(ValueError):
    """A script is invalid; the message names the entry, the key and the expected value."""


def loads(text: str) -> dict[str, Any]:
    """Return the table of a TOML text.

    Raises:
        ScriptError: as `load_toml` says.
    """
    try:
        return load_toml(text)
    except TomlError as error:
        raise ScriptError(str(error)) from error


def known(entry: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    """Raise ScriptError for unknown keys."""
    for key in entry:
        if key not in keys:
            raise ScriptError(f"{key!r} is not known here; known are {', '.join(keys)}")


def entries(table: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the entries of an array of tables."""
    value: Any = table.get(key, [])
    items = cast("Sequence[object]", value) if isinstance(value, list) else (None,)
    tables = [cast("dict[str, Any]", entry) for entry in items if isinstance(entry, dict)]
    if len(tables) < len(items):
        raise ScriptError(f"write each {key} as [[{key}]]")
    return tables


def section(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a table; empty when it is missing."""
    value: Any = table.get(key, {})
    if not isinstance(value, dict):
        raise ScriptError(f"write {key} as [{key}]")
    return cast("dict[str, Any]", value)


def inside(where: str, parse: Callable[[dict[str, Any]], T], entry: dict[str, Any]) -> T:
    """Return what `parse` makes of an entry; prefix its errors with the entry's place."""
    try:
        return parse(entry)
    except ScriptError as error:
        raise ScriptError(f"{where}: {error}") from None


def seconds(entry: Mapping[str, Any], key: str) -> float | None:
    """Return a number of seconds; None when the key is missing."""
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ScriptError(f"{key} must be a number of seconds, 0 or more, not {value!r}")
    return float(value)


def times(entry: Mapping[str, Any]) -> tuple[float, float | None]:
    """Return from and until."""
    begins = seconds(entry, "from") or 0.0
    ends = seconds(entry, "until")
    if ends is not None and ends <= begins:
        raise ScriptError(f"until ({ends:g}) must be after from ({begins:g})")
    return begins, ends


def text(entry: Mapping[str, Any], key: str) -> str | None:
    """Return a text; None when the key is missing."""
    value = entry.get(key)
    if value is not None and not isinstance(value, str):
        raise ScriptError(f"{key} must be a text, not {value!r}")
    return value


def number(entry: Mapping[str, Any], key: str, default: float, low: float, high: float) -> float:
    """Return a number within bounds."""
    value: Any = entry.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ScriptError(f"{key} must be a number from {low:g} to {high:g}, not {value!r}")
    return float(value)


def whole(entry: Mapping[str, Any], key: str, default: int, low: int, high: int) -> int:
    """Return a whole number within bounds."""
    value = number(entry, key, default, low, high)
    if not isinstance(entry.get(key, default), int):
        raise ScriptError(f"{key} must be a whole number, not {entry[key]!r}")
    return int(value)
