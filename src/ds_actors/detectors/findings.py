"""What a detector answers, and the check of it: a number that is no probability never becomes a level. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, SupportsFloat, TypeAlias, cast

from attrs import field, frozen

from ds_actors._text import plain

REASON_LIMIT: Final = 200
"""Characters of a reason."""

Fault = Literal["failed", "not_a_number", "out_of_range", "unreadable", "wrong_count"]
"""Why a sample has no finding."""


def _checked_probability(_instance: object, _attribute: object, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"a probability must be from 0 to 1, not {value!r}")


def _plain_reason(text: str) -> str:
    return plain(str(text), REASON_LIMIT)


@frozen
class Finding:
    """What a detector found in one sample: a probability of manipulation, or none with a reason.

    Raises:
        ValueError: for a probability outside [0, 1], or a missing one without a reason.
    """

    probability: float | None = field(default=None, validator=_checked_probability)
    """From 0 (genuine) to 1 (manipulated); None when the sample cannot be judged, which is no verdict."""
    reason: str = field(default="", converter=_plain_reason)
    """Why there is no probability, in a word, such as no_face or too_dark."""

    def __attrs_post_init__(self) -> None:
        if self.probability is None and not self.reason.strip():
            raise ValueError("a finding without a probability needs a reason, such as Finding(reason='no_face')")


@frozen
class Invalid:
    """A sample that has no finding, because the detector failed or its answer makes no sense."""

    fault: Fault
    detail: str = ""
    """The error of a detector that failed, in one line."""


DetectorAnswer: TypeAlias = "Finding | SupportsFloat | Exception"
"""A finding, a number as its probability, or the error that prevented both."""


def check_answers(answers: object, count: int) -> list[Finding | Invalid]:
    """Return one outcome for each of `count` samples, whatever a detector returned.

    With another number of answers, all are invalid: which answer belongs to which sample is not known.
    """
    found = _as_list(answers)
    if found is None:
        return [Invalid("wrong_count", f"a {type(answers).__name__} instead of a sequence")] * count
    if len(found) != count:
        return [Invalid("wrong_count", f"{len(found)} answers to {count} samples")] * count
    return [check_answer(answer) for answer in found]


def _as_list(answers: object) -> list[object] | None:
    to_list = getattr(answers, "tolist", None)  # an array or a tensor
    found = to_list() if callable(to_list) else answers
    if not isinstance(found, Sequence) or isinstance(found, str | bytes):
        return None
    return list(cast("Sequence[object]", found))


def check_answer(answer: object) -> Finding | Invalid:
    """Return the outcome of one sample: NaN, infinities and numbers outside [0, 1] are invalid."""
    if isinstance(answer, Finding | Invalid):
        return answer
    if isinstance(answer, Exception):
        return Invalid("failed", described(answer))
    if isinstance(answer, bool | str | bytes) or not isinstance(answer, SupportsFloat):
        return Invalid("not_a_number", f"a {type(answer).__name__}")
    try:
        value = float(answer)
    except (TypeError, ValueError, OverflowError):
        return Invalid("not_a_number", f"a {type(answer).__name__}")
    if not math.isfinite(value):
        return Invalid("not_a_number", str(value))
    return Finding(value) if 0 <= value <= 1 else Invalid("out_of_range", f"{value:g}")


def described(error: BaseException) -> str:
    """Return an error in one line of printable text."""
    return plain(f"{type(error).__name__}: {error}", REASON_LIMIT)
