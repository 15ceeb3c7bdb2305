"""All checks of the way to the service, in order; after a failure, the rest is skipped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from ds_actors.cli._doctor import network, session
from ds_actors.cli._doctor.encoder import EncodedSample
from ds_actors.cli._doctor.environment import Rates
from ds_actors.cli._doctor.result import CheckResult, CheckStatus, skipped
from ds_actors.detection.service import Dataspike

_PATH: Final[tuple[tuple[str, Callable[[Dataspike, float], Awaitable[CheckResult]]], ...]] = (
    ("dns", network.check_dns),
    ("tcp", network.check_tcp),
    ("proxy", network.check_proxy),
    ("tls", network.check_tls),
)
STEPS: Final = (*(name for name, _ in _PATH), *session.STEPS)


async def check_service(
    service: Dataspike | None,
    *,
    keyed: bool,
    sample: EncodedSample | None,
    rates: Rates,
    timeout: float,
    report: Callable[[CheckResult], object],
) -> None:
    """Report every step of the way to the service.

    Args:
        service: None when its settings are invalid.
        keyed: whether it has a key; without one, the way is checked up to TLS.
        sample: what is sent; None when encoding failed.
        rates: the configured rates, which the throughput is compared with.
        timeout: seconds for each step.
        report: called with each result, in order.
    """
    left = list(STEPS)
    reason = "not tried: the service's address is invalid"
    if service is not None:
        for name, check in _PATH:
            result = await check(service, timeout)
            report(result)
            left.remove(name)
            if result.status is CheckStatus.FAILURE:
                reason = f"not tried: {name} failed"
                break
        else:
            if keyed:
                await session.Session(service, sample, rates, timeout, report).run()
                return
            reason = "not tried: there is no key"
    for name in left:
        report(skipped(name, reason))
