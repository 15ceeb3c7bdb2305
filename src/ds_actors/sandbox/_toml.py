"""Reads values from a scenario's TOML; every error names its key."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

_DEPTH: Final = 16
_TOO_DEEP: Final = f"arrays and tables may be nested {_DEPTH} deep, and here they are nested deeper"
_TOO_LARGE: Final = "an integer may have 64 bits, and here one has more"


class ScriptError(ValueError):
    """A script is invalid; the message names the entry, the key and the expected value."""


def loads(text: str) -> dict[str, Any]:
    """Return the table of a TOML text.

    Raises:
        ScriptError: when it is not TOML, is nested too deeply, or has an integer beyond 64 bits, which no TOML needs.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScriptError(f"not TOML: {error}") from error
    except RecursionError:
        raise ScriptError(_TOO_DEEP) from None
    except ValueError:  # Python converts no integer of more than 4,300 digits
        raise ScriptError(_TOO_LARGE) from None
    _check(table)
    return table


def _check(table: dict[str, Any]) -> None:
    values: list[tuple[int, object]] = [(0, table)]
    while values:
        depth, value = values.pop()
        if depth > _DEPTH:
            raise ScriptError(_TOO_DEEP)
        match value:
            case dict():
                values.extend((depth + 1, inner) for inner in cast("dict[str, object]", value).values())
            case list():
                values.extend((depth + 1, inner) for inner in cast("list[object]", value))
            case int() if value.bit_length() > 63:
                raise ScriptError(_TOO_LARGE)
            case _:
                pass


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
