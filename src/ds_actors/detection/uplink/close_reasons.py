"""Interprets the end of a connection: the key was refused, or the service is unreachable. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, cast

from ds_actors.detection.errors import Refused, Unreachable, UplinkError
from ds_actors.detection.events import plain
from ds_actors.detection.retry_after import retry_after

RETRY_AFTER_LIMIT: Final = 300.0
"""The longest Retry-After, in seconds, that the client honours."""
REFUSED_STATUSES: Final = frozenset({401, 403})
REFUSED_CODES: Final = frozenset({1008, 3000, 4001, 4003, 4401, 4403})
_PATIENT_STATUSES: Final = frozenset({429, 503})
_REASON_LIMIT: Final = 200


def rejected(status: int, headers: Iterable[tuple[bytes, bytes]], wall: float) -> UplinkError:
    """Return the error for an HTTP answer other than 101 to the upgrade.

    Args:
        status: the answer's status code.
        headers: the answer's headers.
        wall: seconds since the epoch, for a Retry-After that is a date.
    """
    if status in REFUSED_STATUSES:
        return Refused(f"the service refused the key (HTTP {status}); check api_key (or DATASPIKE_API_KEY)")
    wait = _retry_after(headers, wall) if status in _PATIENT_STATUSES else None
    return Unreachable(f"the service answered the upgrade with HTTP {status}", wait)


def closed(code: int | None, reason: str | None) -> UplinkError:
    """Return the error for the end of an open connection, from its close code and reason (RFC 6455, 7.4)."""
    detail = plain(reason or "")[:_REASON_LIMIT]
    text = f"the connection was closed ({'no code' if code is None else code}{f': {detail}' if detail else ''})"
    if code in REFUSED_CODES:
        return Refused(f"{text}; check api_key (or DATASPIKE_API_KEY)")
    return Unreachable(text)


def parse_head(head: bytes) -> tuple[int, list[tuple[bytes, bytes]]] | None:
    """Return status and headers from an HTTP answer's first bytes; None until the head is complete.

    The body is not needed, and may never end.
    """
    block, end, _body = head.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = block.split(b"\r\n")
    words = first.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or len(words[1]) != 3 or not words[1].isdigit():
        return None
    pairs = (line.partition(b":") for line in lines)
    return int(words[1]), [(name.strip().lower(), value.strip()) for name, colon, value in pairs if colon]


def _retry_after(headers: Iterable[tuple[bytes, bytes]], wall: float) -> float | None:
    for name, value in headers:
        if name.lower() == b"retry-after":
            wait = retry_after(value.decode("latin-1"), wall)
            return None if wait is None else min(RETRY_AFTER_LIMIT, wait)
    return None


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions in a group, at any depth; a plain exception yields itself."""
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
        yield from leaves(inner)
