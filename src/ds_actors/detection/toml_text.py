"""Reads TOML, and says in plain words what no TOML file needs. Pure."""

from __future__ import annotations

import tomllib
from typing import Any, Final, cast

_DEPTH: Final = 16
_INTEGERS: Final = range(-(2**63), 2**63)
_TOO_DEEP: Final = f"arrays and tables may be nested {_DEPTH} deep, and here they are nested deeper"
_TOO_LARGE: Final = "an integer may have 64 bits, and here one has more"


class TomlError(ValueError):
    """A text cannot be used as TOML; the message says why."""


def load_toml(text: str) -> dict[str, Any]:
    """Return the table of a TOML text.

    Raises:
        TomlError: when it is not TOML, is nested more than 16 deep, or has an integer beyond 64 bits.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TomlError(f"not TOML: {error}") from error
    except RecursionError:
        raise TomlError(_TOO_DEEP) from None
    except ValueError:  # Python converts no integer of more than 4,300 digits
        raise TomlError(_TOO_LARGE) from None
    _check(table)
    return table


def _check(table: dict[str, Any]) -> None:
    values: list[tuple[int, object]] = [(0, table)]
    while values:
        depth, value = values.pop()
        if depth > _DEPTH:
            raise TomlError(_TOO_DEEP)
        match value:
            case dict():
                values.extend((depth + 1, inner) for inner in cast("dict[str, object]", value).values())
            case list():
                values.extend((depth + 1, inner) for inner in cast("list[object]", value))
            case int() if value not in _INTEGERS:
                raise TomlError(_TOO_LARGE)
            case _:
                pass
