"""Lines from a program that may print anything, and how many of them are logged. Pure."""

from __future__ import annotations


class LineSplitter:
    """Makes lines of chunks; a line longer than `limit` bytes comes in pieces."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = b""

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that are whole now."""
        *whole, self._kept = (self._kept + chunk).split(b"\n")
        lines = [piece for line in whole for piece in self._pieces(line)]
        *full, self._kept = self._cut(self._kept)
        return [line.decode("utf-8", "replace") for line in (*lines, *full)]

    def end(self) -> list[str]:
        """Return the last line, where it had no end."""
        kept, self._kept = self._kept, b""
        return [kept.removesuffix(b"\r").decode("utf-8", "replace")] if kept else []

    def _pieces(self, line: bytes) -> list[bytes]:
        return self._cut(line.removesuffix(b"\r"))

    def _cut(self, line: bytes) -> list[bytes]:
        return [line[at : at + self._limit] for at in range(0, len(line), self._limit)] or [b""]


class LogBudget:
    """So many lines within a second; the others are counted."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._since = float("-inf")
        self._spent = 0
        self._left_out = 0

    def spend(self, now: float) -> bool:
        """Return whether one more line may be logged."""
        if now - self._since >= 1:
            self._since, self._spent = now, 0
        if self._spent >= self._per_second:
            self._left_out += 1
            return False
        self._spent += 1
        return True

    def take_left_out(self) -> int:
        """Return how many lines were left out since the last call."""
        left_out, self._left_out = self._left_out, 0
        return left_out
