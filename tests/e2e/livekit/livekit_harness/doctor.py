"""The doctor's checks of LiveKit, run against a test's server."""

from __future__ import annotations

from ds_actors.cli._doctor import livekit_checks
from ds_actors.cli._doctor.livekit_names import STEPS
from ds_actors.cli._doctor.livekit_settings import LiveKitTargets
from ds_actors.cli._doctor.result import CheckResult, CheckStatus
from livekit_harness.server import Server


def check(
    server: Server, timeout: float = 5.0, *, room: str | None = None, agent: str | None = None, **environment: str
) -> dict[str, CheckResult]:
    """Run the checks with the server's variables, some of them replaced; each step is reported exactly once."""
    results = list(livekit_checks.run({**server.environment, **environment}, timeout, LiveKitTargets(room, agent)))
    assert [result.name for result in results] == list(STEPS)
    assert server.secret not in repr(results)
    return {result.name: result for result in results}


def failures(results: dict[str, CheckResult]) -> list[str]:
    """Return the names of the checks that failed."""
    return [name for name, result in results.items() if result.status is CheckStatus.FAILURE]


def statuses(results: dict[str, CheckResult]) -> dict[str, CheckStatus]:
    """Return how each check ended."""
    return {name: result.status for name, result in results.items()}
