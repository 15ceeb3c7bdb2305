"""Fields that every log record of a monitor carries, such as the room that it watches.

They travel with the context, as LiveKit's own do: what is logged in a `log_fields` block, and in each task that is
started there, has them. A filter at each logger of this package puts them into the records.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final, cast

_LOGGERS: Final = (
    "ds_actors",
    "ds_actors.asyncio",
    "ds_actors.detection",
    "ds_actors.detection.reporting.progress",
    "ds_actors.processes",
    "ds_actors.serving",
)
"""A logger's filter does not see the records of the loggers below it, so that each is named."""
_TAKEN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""What every record has, or gets when it is formatted."""
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_fields: ContextVar[Mapping[str, str]] = ContextVar("ds_actors_log_fields", default=_NONE)


def check_log_fields(fields: Mapping[str, str] | None) -> None:
    """Check that records can have these fields.

    Raises:
        TypeError: when it is not a mapping of names.
        ValueError: when a name is empty, or one that every record has already.
    """
    if fields is None:
        return
    if not isinstance(cast("object", fields), Mapping):
        raise TypeError(f"log_fields must be a mapping of names to texts, not {type(fields).__name__}")
    for name in fields:
        if not isinstance(cast("object", name), str):
            raise TypeError(f"log_fields must have names that are texts, not {name!r}")
        if not name or name in _TAKEN:
            raise ValueError(f"log_fields must not have {name!r}, which no field of a record can be called")


@contextmanager
def log_fields(fields: Mapping[str, str] | None) -> Generator[None]:
    """Add these fields to what is logged in this block; None changes nothing.

    The mapping may change meanwhile: each record gets what it holds then. An inner block replaces the outer one's.
    """
    if fields is None:
        yield
        return
    token = _fields.set(fields)
    try:
        yield
    finally:
        _fields.reset(token)


def current_log_fields() -> Mapping[str, str]:
    """Return the fields of the innermost block, for a function that is called from elsewhere later."""
    return _fields.get()


def carry_log_fields(logger: logging.Logger) -> None:
    """Put the fields into this logger's own records; what a record has already stays."""
    logger.addFilter(_add_fields)


def _add_fields(record: logging.LogRecord) -> bool:
    # Copied first: another thread may add a field meanwhile.
    for name, value in dict(_fields.get()).items():
        if isinstance(cast("object", name), str) and not hasattr(record, name):
            setattr(record, name, value)
    return True


for _name in _LOGGERS:
    carry_log_fields(logging.getLogger(_name))
