"""Laws of your own for `check_sampling_policy`: what each gets, and what it returns.

A separate module because it needs what the monitor needs: `from ds_actors.testing.laws import Law`.
"""

from __future__ import annotations

from attrs import field, frozen

from ds_actors.testing._history import Check, History, Violation
from ds_actors.testing._track import Moment

__all__ = ["Check", "History", "Law", "Moment", "Violation"]


@frozen
class Law:
    """A law of your own.

    Args:
        name: a word for the report; no built-in law has it.
        sentence: what holds, as in "an alarm is always shown in full".
        check: gets the history of one timeline; returns the first `Violation`, or None. It is called for hundreds of
            timelines, and must be a function of the history alone.

    Raises:
        ValueError: for a name that is no word, or an empty sentence.
    """

    name: str = field()
    sentence: str = field()
    check: Check = field(repr=False)

    def __attrs_post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"a law's name must be one word, not {self.name!r}")
        if not self.sentence.strip():
            raise ValueError(f"the law {self.name!r} needs a sentence that says what holds")
