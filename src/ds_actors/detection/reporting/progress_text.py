"""The words of the longer lines of the monitor's log. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ds_actors._text import counted, plain
from ds_actors.detection.budget import Budget
from ds_actors.detection.sampling import Promise
from ds_actors.detection.status import Status


def settings_text(
    *,
    service: str,
    policy: str,
    promise: Promise,
    quality: int,
    budget: Budget | None,
    notify: str,
    sinks: Iterable[str],
) -> str:
    """Return the settings of a monitor in one line.

    Args:
        service: the URL without secrets.
        policy: the name of the sampling policy.
        promise: what the policy promises.
        quality: of the JPEG.
        budget: the room's budget.
        notify: "all" results or "changes".
        sinks: their names.
    """
    rates = f"{promise.floor_fps:g} to {promise.ceiling_fps:g} samples/s per track"
    receivers = ", ".join(plain(name, 40) for name in sinks) or "no sink"
    what = "every result" if notify == "all" else "changes of level"
    limits = "no budget" if budget is None else f"budget {_budget_text(budget)}"
    return f"{service}, {plain(policy, 80)} with {rates}, JPEG quality {quality}, {limits}, {what} to {receivers}"


def ended_text(status: Status, tracks: int, seconds: float) -> str:
    """Return the summary of a monitor that ends.

    Args:
        status: the last one.
        tracks: how many were watched in all.
        seconds: how long the monitor ran.
    """
    uplink = status.uplink
    verb = "failed" if status.state == "failed" else "ends"
    parts = [
        f"{counted(tracks, 'track')}",
        f"{counted(uplink.due, 'sample')} due, {uplink.sent:,} sent",
        f"results: {_counts_text(status.results)}",
        f"dropped: {_counts_text(uplink.dropped)}",
        counted(uplink.connections, "connection"),
    ]
    return f"monitoring {verb} after {seconds:,.0f} s: {'; '.join(parts)}"


def _budget_text(budget: Budget) -> str:
    parts = [
        "" if budget.samples_per_minute is None else f"{budget.samples_per_minute:g} samples/min",
        "" if budget.bytes_per_second is None else f"{budget.bytes_per_second:g} bytes/s",
    ]
    return " and ".join(part for part in parts if part)


def _counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{plain(reason)} {count:,}" for reason, count in sorted(counts.items()) if count) or "none"
