"""A check's result as lines of text or as JSON. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

from ds_actors._text import counted, plain
from ds_actors.cli._doctor.result import CheckResult, CheckStatus

_STATUS_WIDTH: Final = max(len(status) for status in CheckStatus)
_NAME_WIDTH: Final = 18
_INDENT: Final = " " * (_STATUS_WIDTH + 2)


def text_lines(result: CheckResult, *, verbose: bool) -> list[str]:
    """Return the line of a check, its fix below it, and with `verbose` its details below that."""
    lines = [f"{result.status:{_STATUS_WIDTH}}  {result.name:{_NAME_WIDTH}}  {plain(result.summary)}"]
    if result.fix:
        lines.append(f"{_INDENT}fix: {plain(result.fix)}")
    if verbose:
        lines += [f"{_INDENT}{key}: {plain(value)}" for key, value in result.details.items()]
    return lines


def folded(skipped: Sequence[CheckResult]) -> CheckResult:
    """Return one result for checks that were skipped for one reason, so that they do not bury what failed."""
    first = skipped[0]
    if len(skipped) == 1:
        return first
    names = ", ".join(result.name for result in skipped)
    return CheckResult(counted(len(skipped), "check"), CheckStatus.SKIPPED, f"{first.summary} ({names})")


def json_line(result: CheckResult) -> str:
    """Return a check as one JSON object."""
    fields = {"check": result.name, "status": result.status.value, "summary": result.summary, "fix": result.fix}
    return json.dumps({**fields, "details": dict(result.details)})


def summary_line(results: Sequence[CheckResult]) -> str:
    """Return the last line: how many checks ended in which way."""
    counts = Counter(result.status for result in results)
    parts = [f"{counts[CheckStatus.OK]} of {counted(len(results), 'check')} ok"]
    parts += [
        text
        for status, text in (
            (CheckStatus.WARNING, counted(counts[CheckStatus.WARNING], "warning")),
            (CheckStatus.FAILURE, counted(counts[CheckStatus.FAILURE], "failure")),
            (CheckStatus.SKIPPED, f"{counts[CheckStatus.SKIPPED]} skipped"),
        )
        if counts[status]
    ]
    return ", ".join(parts)
