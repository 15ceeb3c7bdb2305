"""Names on the wire that only this process can read: keyed hashes, and the way back for answers. Pure.

A pseudonym is the first 128 bits of HMAC-SHA256 over the kind of name and the name. It is the same for the same name
and key, so that the service can still tell participants and tracks apart.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from typing import Final

from attrs import define, evolve, field

from ds_actors.detection.events import Sample, WireResult

REMEMBERED: Final = 10_000
"""Tracks whose names are known for the way back; the one whose last sample is oldest goes first."""


@define(eq=False)
class WireNames:
    """Replaces names in samples, and puts them back in results."""

    _key: bytes = field(repr=False)
    _known: OrderedDict[tuple[str, str], tuple[str, str]] = field(
        factory=OrderedDict[tuple[str, str], tuple[str, str]], init=False, repr=False
    )

    def __len__(self) -> int:
        return len(self._known)

    def of(self, participant: str, track: str) -> tuple[str, str]:
        """Return the pseudonyms of a participant and a track."""
        return self._hash("p", participant), self._hash("t", track)

    def hide(self, sample: Sample) -> Sample:
        """Return the sample with pseudonyms, and remember whose they are."""
        names = self.of(sample.participant, sample.track)
        self._known[names] = (sample.participant, sample.track)
        self._known.move_to_end(names)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return evolve(sample, participant=names[0], track=names[1])

    def reveal(self, result: WireResult) -> WireResult:
        """Return the result with names; with none where it is about a pair of pseudonyms that was never sent."""
        participant, track = self._known.get((result.participant, result.track), ("", ""))
        return evolve(result, participant=participant, track=track)

    def _hash(self, kind: str, name: str) -> str:
        digest = hmac.digest(self._key, f"{kind}:{name}".encode("utf-8", "surrogatepass"), "sha256")
        return f"{kind}_{digest[:16].hex()}"
