"""What the service learns beside the pictures: pseudonyms instead of names, and no more pixels than needed."""

from __future__ import annotations

import secrets
from typing import Final

from ds_actors.detection.uplink.wire_names import WireNames

_SHORTEST_KEY: Final = 16
_SMALLEST_SIDE: Final = 64


class Privacy:
    """What is kept from the service. By default it receives names as they are, and pictures in full size.

    Args:
        pseudonyms: send keyed hashes instead of the participant's identity and the track's sid. Answers are mapped back
            here: results, status, ledger and log have the names.
        key: what the hashes are made with, at least 16 bytes. By default each monitor has a random one, so that the
            service cannot tell that two calls had one participant. With a key of your own it can, and you can tell who
            a pseudonym is.
        max_side: the most pixels that the longer side of a picture has when it leaves, at least 64; a policy may ask
            for fewer.

    Raises:
        ValueError: when a value cannot be used; names it, and omits the key.
    """

    __slots__ = ("_key", "max_side", "pseudonyms")

    def __init__(
        self, *, pseudonyms: bool = False, key: str | bytes | None = None, max_side: int | None = None
    ) -> None:
        self._key: bytes | None = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
        # Tracebacks may show locals: no local may hold the key when an error is raised.
        del key
        self.pseudonyms: bool = pseudonyms
        self.max_side: int | None = max_side
        if self._key is not None and len(self._key) < _SHORTEST_KEY:
            raise ValueError(f"key must have at least {_SHORTEST_KEY} bytes")
        if self._key is not None and not pseudonyms:
            raise ValueError("key is for pseudonyms: pass pseudonyms=True as well")
        if max_side is not None and (isinstance(max_side, bool) or max_side < _SMALLEST_SIDE):
            raise ValueError(f"max_side must be at least {_SMALLEST_SIDE} pixels, not {max_side!r}")

    def wire_names(self) -> WireNames | None:
        """Return the names that one monitor uses on the wire; None for those that participants and tracks have."""
        return WireNames(self._key or secrets.token_bytes(32)) if self.pseudonyms else None

    def limit(self, max_side: int | None) -> int | None:
        """Return the longest side, in pixels, of a picture for which a policy plans `max_side`."""
        return max_side if self.max_side is None else min(max_side or self.max_side, self.max_side)

    def __repr__(self) -> str:
        return f"Privacy(pseudonyms={self.pseudonyms}, max_side={self.max_side})"
