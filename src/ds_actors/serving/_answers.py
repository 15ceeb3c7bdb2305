"""What became of each sample's answer: written, not written yet, or without a connection. It never waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import trio
from attrs import define, field, frozen

from ds_actors.detection.events import ResultType, WireResult
from ds_actors.serving.queue import WaitingSample


@frozen(eq=False)
class SampleAnswer:
    """The answer to one sample, for its connection."""

    result: WireResult
    level: str
    arrived: float
    """When its sample arrived, in seconds of trio's clock."""


TakeAnswer = Callable[[SampleAnswer], bool]
"""Takes an answer without waiting, and returns whether it did; the connection reports it once it is written."""


@define(eq=False)
class _Recipient:
    take: TakeAnswer
    unwritten: int = 0


@define(eq=False)
class Answers:
    """Gives each answer to its connection; at every moment answers = written by level + unwritten + unsent."""

    observe: Callable[[str, float], object]
    """Called with `answer_seconds` and the time from a sample's arrival until its answer is written."""
    written: Counter[str] = field(factory=Counter[str], init=False)
    """Answers by level."""
    unsent: int = field(default=0, init=False)
    _recipients: dict[int, _Recipient] = field(factory=dict[int, _Recipient], init=False, repr=False)

    @property
    def unwritten(self) -> int:
        """The answers that their connections hold."""
        return sum(recipient.unwritten for recipient in self._recipients.values())

    def join(self, connection: int, take: TakeAnswer) -> None:
        """Begin a connection."""
        self._recipients[connection] = _Recipient(take)

    def leave(self, connection: int) -> None:
        """End a connection: what it did not write will not be sent."""
        left = self._recipients.pop(connection, None)
        if left is not None:
            self.unsent += left.unwritten

    def has(self, connection: int) -> bool:
        """Return whether a connection is open."""
        return connection in self._recipients

    def send(self, waiting: WaitingSample, kind: ResultType, message: str) -> None:
        """Give a sample's answer to its connection."""
        sample = waiting.sample
        recipient = self._recipients.get(waiting.connection)
        result = WireResult(int(kind), sample.participant, sample.track, message)
        if recipient is not None and recipient.take(SampleAnswer(result, kind.level.value, waiting.arrived)):
            recipient.unwritten += 1
        else:
            self.unsent += 1

    def wrote(self, connection: int, answer: SampleAnswer) -> None:
        """Record that a connection wrote an answer."""
        recipient = self._recipients.get(connection)
        if recipient is None:
            return  # it was counted as unsent when its connection ended
        recipient.unwritten -= 1
        self.written[answer.level] += 1
        self.observe("answer_seconds", trio.current_time() - answer.arrived)
