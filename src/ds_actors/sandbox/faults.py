"""The faults, one small class each. Pure.

A fault begins with its command and lasts until it is ended; `Drop` happens at once and does not last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import field, frozen
from attrs.validators import optional

_NEVER_SENT: Final = frozenset({1004, 1005, 1006, 1015})


# Values from a script have TOML's types, so types are checked here too.
def _within(low: float, high: float) -> Callable[[object, object, Any], None]:
    def check(_instance: object, attribute: object, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"{getattr(attribute, 'name', 'value')} must be from {low:g} to {high:g}, not {value!r}")

    return check


def _whole(low: int, high: int) -> Callable[[object, object, Any], None]:
    inside = _within(low, high)

    def check(instance: object, attribute: object, value: Any) -> None:
        inside(instance, attribute, value)
        if not isinstance(value, int):
            raise ValueError(f"{getattr(attribute, 'name', 'value')} must be a whole number, not {value!r}")  # noqa: TRY004

    return check


def _sendable(instance: object, attribute: object, code: int) -> None:
    _whole(1000, 4999)(instance, attribute, code)
    if code in _NEVER_SENT or 1016 <= code <= 2999:
        raise ValueError(f"code {code} may not be sent in a close frame (RFC 6455, 7.4)")


@frozen
class Refuse:
    """Answer upgrades with an HTTP status, and with Retry-After (seconds) when it is set."""

    status: int = field(default=401, validator=_whole(300, 599))
    retry_after: int | None = field(default=None, validator=optional(_whole(0, 86_400)))


@frozen
class RefuseConnections:
    """Stop listening: connecting fails as if nothing ran on the port."""


@frozen
class CloseOnAccept:
    """Accept the upgrade, serve for `after` seconds, then close with this code."""

    code: int = field(default=1011, validator=_sendable)
    after: float = field(default=0.0, validator=_within(0, 86_400))


@frozen
class Silence:
    """Keep reading and keep connections open, but send nothing: no results, no pongs, no answers to upgrades."""


@frozen
class Slow:
    """Delay every answer by `seconds`; reading continues meanwhile."""

    seconds: float = field(default=1.0, validator=_within(0, 86_400))


@frozen
class Garbage:
    """Answer with bytes that are not a message."""


@frozen
class Oversized:
    """Answer with a message of `size` bytes, over the client's limit of 64 KiB."""

    size: int = field(default=70_000, validator=_whole(1, 64 * 1024 * 1024))


@frozen
class Drop:
    """Cut every open connection now, without a closing handshake."""


Fault = Refuse | RefuseConnections | CloseOnAccept | Silence | Slow | Garbage | Oversized | Drop

KINDS: Final[dict[str, type[Fault]]] = {
    "refuse": Refuse,
    "refuse_connections": RefuseConnections,
    "close": CloseOnAccept,
    "silence": Silence,
    "slow": Slow,
    "garbage": Garbage,
    "oversized": Oversized,
    "drop": Drop,
}
"""The faults by the names a script uses."""


@frozen
class TimedFault:
    """A fault of a script, from `begins` to `ends` seconds after the service began; without `ends` it stays."""

    begins: float
    fault: Fault
    ends: float | None = None
