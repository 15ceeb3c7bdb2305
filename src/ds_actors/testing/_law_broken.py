"""The error for a sampling policy that breaks a law."""

from __future__ import annotations


class LawBroken(AssertionError):
    """A sampling policy broke a law.

    Args:
        law: the law's name.
        text: the law's sentence, the observation and the timeline.
    """

    def __init__(self, law: str, text: str) -> None:
        super().__init__(text)
        self.law = law
