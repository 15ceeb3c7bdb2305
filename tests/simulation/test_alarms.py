"""What the simulator says of a judge that errs: false alarms, delays, intervals."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ds_actors.cli import app
from ds_actors.detection.sampling import AdaptiveSampling
from ds_actors.sandbox import load_script, parse_script
from ds_actors.simulation import Outcome, Simulation, merged

ERRING = Path(__file__).parents[2] / "examples" / "erring.toml"


def outcome(text: str, seed: int = 0) -> Outcome:
    simulation = Simulation(parse_script(text), AdaptiveSampling, "adaptive", random.Random(seed).random)
    simulation.run()
    return simulation.outcome()


def test_the_last_verdict_accuses_somebody_fourteen_times_per_hour_and_track() -> None:
    """A judge that flags 2 % of genuine samples, at 720 samples an hour."""
    simulation = Simulation(load_script(ERRING), AdaptiveSampling, "adaptive", random.Random(1).random)
    simulation.run()
    found = simulation.outcome().alarms()
    low, high = found["false_alarms_interval"]
    assert 13 < low < high < 17
    assert found["alarm_median"] == pytest.approx(3.4, abs=0.5)
    assert found["never_alarmed"] < 0.01


def test_delays_go_from_the_beginning_to_the_alert_and_from_the_end_to_the_clearing() -> None:
    """Sampled at 15 s and answered at 16; the alert ends with the sample of the first second after the end."""
    found = outcome(
        "[room]\nparticipants = 1\nseconds = 60\njoins_within = 0\ncapture = 0\n[service]\nlatency = 1\n"
        '[[verdict]]\nfrom = 12\nuntil = 20.5\nlevel = "alert"'
    )
    (detection,) = found.detections
    assert (detection.after, detection.alarm_after) == (4.0, 4.0)
    assert detection.clear_after == pytest.approx(1.5)
    assert found.false_alarms == 0
    assert found.genuine_hours == pytest.approx(51.5 / 3600)


def test_a_flag_of_a_genuine_sample_is_a_false_alarm_and_no_detection() -> None:
    """Every sample is flagged: one alarm, which never ends."""
    found = outcome("[room]\nparticipants = 1\nseconds = 60\n[[judge]]\nfalse_flags = 1")
    assert (found.false_alarms, found.detections) == (1, [])
    assert found.false_alarm_rate == pytest.approx(60)


def test_several_seeds_are_one_outcome() -> None:
    """Counts add up, and rates stay rates."""
    text = ERRING.read_text("utf-8").replace("3600", "600")
    runs = [outcome(text, seed) for seed in range(3)]
    both = merged(runs)
    assert both.sent == sum(run.sent for run in runs)
    assert both.false_alarms == sum(run.false_alarms for run in runs)
    assert len(both.detections) == sum(len(run.detections) for run in runs)
    assert both.alarms()["samples_per_second"] == pytest.approx(0.22, abs=0.03)


def test_the_command_shows_false_alarms_and_delays_over_several_seeds() -> None:
    """With a judge in the scenario, a second table appears."""
    arguments = ["simulate", "adaptive", "--scenario", str(ERRING), "--seconds", "300", "--seeds", "2"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert "false/h" in result.stdout
    assert "100 tracks" in result.stdout
