"""The words of the longer lines of the log."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ds_actors.detection import AdaptiveSampling, Budget
from ds_actors.detection.reporting.progress_text import ended_text, settings_text
from ds_actors.detection.status import Status, UplinkStatus


def test_the_summary_names_each_reason_of_a_drop() -> None:
    """With every count; a monitor that failed says so."""
    uplink = UplinkStatus("up", "", 0, 3, 1_200, 1_100, {"stale": 90, "muted": 10}, 0, 0, 0, None)
    status = Status("closed", "", uplink, (), (), {"clear": 1_000, "alert": 5, "error": 0})
    assert ended_text(status, 2, 3_601.2) == (
        "monitoring ends after 3,601 s: 2 tracks; 1,200 samples due, 1,100 sent; results: alert 5, clear 1,000; "
        "dropped: muted 10, stale 90; 3 connections"
    )
    assert ended_text(evolve(status, state="failed"), 0, 1.0).startswith("monitoring failed after 1 s: 0 tracks; ")


def settings(
    *, policy: str = "Mine", budget: Budget | None = None, notify: str = "all", sinks: Sequence[str] = ()
) -> str:
    promise = AdaptiveSampling(0.2, 1.0).promise
    return settings_text(
        service="wss://a", policy=policy, promise=promise, quality=50, budget=budget, notify=notify, sinks=sinks
    )


def test_settings_without_sinks_and_budget_say_so() -> None:
    """In one line, from the service to who is told."""
    assert settings() == (
        "wss://a, Mine with 0.2 to 1 samples/s per track, JPEG quality 50, no budget, every result to no sink"
    )
    assert settings(notify="changes", sinks=["room", "log"]).endswith("no budget, changes of level to room, log")


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(samples_per_minute=6), "budget 6 samples/min, every"),
        (Budget(bytes_per_second=5000), "budget 5000 bytes/s, every"),
        (Budget(samples_per_minute=6, bytes_per_second=5000), "budget 6 samples/min and 5000 bytes/s, every"),
    ],
)
def test_a_budget_is_told_by_what_it_bounds(budget: Budget, words: str) -> None:
    """One rate, or both."""
    assert f"quality 50, {words}" in settings(budget=budget)


def test_names_of_a_policy_and_a_sink_are_fit_for_a_line_of_the_log() -> None:
    """They are their owner's text: without control characters, a policy's cut to 80 characters and a sink's to 40."""
    words = settings(policy="p\n" * 100, sinks=["mallory\x1b[2J\n", "s" * 100])
    assert words.startswith(f"wss://a, {'p' * 80} with ")
    assert words.endswith(f"every result to mallory[2J, {'s' * 40}")
