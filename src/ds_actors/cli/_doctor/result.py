"""What a check found, and the exit code that follows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from attrs import field, frozen


class CheckStatus(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """It works, but worse than it should, or something optional is missing."""
    FAILURE = "failure"
    """Monitoring does not work until this is fixed; the exit code is 1."""
    SKIPPED = "skipped"
    """It was not tried, because an earlier check failed or nothing asks for it."""


@frozen
class CheckResult:
    """One line of the doctor's report."""

    name: str
    status: CheckStatus
    summary: str
    fix: str = ""
    """What to do; set for every warning and failure."""
    details: Mapping[str, str] = field(factory=dict[str, str])
    """Figures and settings that -v and --json show; secrets are masked."""


def passed(name: str, summary: str, **details: str) -> CheckResult:
    """Return the result of a check that found nothing wrong."""
    return CheckResult(name, CheckStatus.OK, summary, details=details)


def warned(name: str, summary: str, fix: str, **details: str) -> CheckResult:
    """Return the result of a check that found something to improve."""
    return CheckResult(name, CheckStatus.WARNING, summary, fix, details)


def failed(name: str, summary: str, fix: str, **details: str) -> CheckResult:
    """Return the result of a check that found why monitoring does not work."""
    return CheckResult(name, CheckStatus.FAILURE, summary, fix, details)


def skipped(name: str, reason: str) -> CheckResult:
    """Return the result of a check that was not tried."""
    return CheckResult(name, CheckStatus.SKIPPED, reason)


def any_failed(results: Iterable[CheckResult]) -> bool:
    """Return whether a check failed."""
    return any(result.status is CheckStatus.FAILURE for result in results)
