"""`ds-actors simulate`: compares sampling policies in a simulated room."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from attrs import define, field
from rich.console import Console
from rich.progress import Progress

from ds_actors.cli._epilog import epilog
from ds_actors.cli._files import refusal, replace_file
from ds_actors.cli._simulate.alarms import alarm_table
from ds_actors.cli._simulate.alert_comparison import ALERT_LEGEND, alert_winner, compare_alerts
from ds_actors.cli._simulate.comparison import LEGEND, compare, winner_of
from ds_actors.cli._simulate.plot import draw
from ds_actors.cli._simulate.policies import PolicyError, parse_assessment, parse_policy
from ds_actors.cli._simulate.table import table
from ds_actors.detection.events import plain
from ds_actors.detection.levels.evidence import Evidence
from ds_actors.sandbox import Script, ScriptError, load_script, parse_script
from ds_actors.simulation import Outcome, Simulation, merged

SCENARIO: Final = """\
# A room of 50 for ten minutes; 20 of them are manipulated for half a minute each, and the service is away once.
[room]
participants = 50
seconds = 600
manipulated = 20
manipulated_for = 30

[service]
latency = 0.3                # seconds from a sample's arrival to its answer

[[fault]]
kind = "drop"                # the connection is cut ...
from = 300

[[fault]]
kind = "refuse_connections"  # ... and the service is away for 20 s
from = 300
until = 320
"""
"""The scenario that is simulated by default."""
SIMULATE_EPILOG: Final = epilog(
    "POLICY is adaptive, decaying, evidence, speaker or scene, each with its figures as in adaptive(normal_fps=0.5); "
    "fastest(A, B); budgeted(A, samples_per_minute=6); FILE.py:NAME or MODULE:NAME for your own; "
    "FILE.py:budgeted(NAME, samples_per_minute=6) for your own inside another.",
    codes={
        0: "the policies were simulated",
        2: "wrong usage, a scenario that cannot be followed, or no such policy",
        1: "a policy failed during the simulation",
        130: "stopped by Ctrl-C, after showing the results so far",
    },
)
_SLICES: Final = 100
_WIDE: Final = 160
"""Columns where stdout is no terminal."""


@define
class _Run:
    script: Script
    seed: int
    seeds: int = 1
    assessments: Sequence[str] = ("last",)
    """One for each policy."""
    max_false_alarms: float = 0.1
    outcomes: list[Outcome] = field(factory=list[Outcome])
    took: list[float] = field(factory=list[float])

    def run(self, words: str, assessment: str, progress: Progress) -> None:
        """Simulate one policy under one assessment."""
        name = words if len(set(self.assessments)) == 1 else f"{words}, {assessment}"
        task = progress.add_task(plain(name, 40), total=_SLICES * self.seeds)
        made = parse_assessment(assessment)
        evidence, confirmations = (made, 1) if isinstance(made, Evidence) else (None, made)
        began = time.process_time()
        found: list[Outcome] = []
        for seed in range(self.seed, self.seed + self.seeds):
            draw = random.Random(seed).random  # noqa: S311
            simulation = Simulation(self.script, parse_policy(words), name, draw, evidence, confirmations)
            for part in range(1, _SLICES + 1):
                simulation.run(self.script.room.seconds * part / _SLICES)
                progress.advance(task)
            found.append(simulation.outcome())
        self.took.append(time.process_time() - began)
        self.outcomes.append(merged(found))

    @property
    def winner(self) -> Outcome | None:
        """The best outcome: by alerts where a judge errs, otherwise by detections."""
        if self.script.judges:
            return alert_winner(self.outcomes, self.max_false_alarms)
        return winner_of(self.outcomes)

    def comparison(self) -> list[str]:
        """Return the winner, and what its samples bought."""
        if self.script.judges:
            return compare_alerts(self.outcomes, self.max_false_alarms)
        return compare(self.outcomes)


def _print_scenario(wanted: bool) -> None:
    if wanted:
        typer.echo(SCENARIO, nl=False)
        raise typer.Exit


def simulate(
    policies: Annotated[
        list[str],
        typer.Argument(
            help="Policies to compare: adaptive, decaying, speaker, scene, FILE.py:NAME; more below.",
            metavar="POLICY",
        ),
    ],
    *,
    scenario: Annotated[
        Path | None,
        typer.Option(
            help="TOML file: a room and a script, as the sandbox reads it. Default: see --show-scenario.",
            metavar="FILE.toml",
        ),
    ] = None,
    tracks: Annotated[
        int | None,
        typer.Option(
            help="Number of participants, one track each, instead of the scenario's.",
            min=1,
            max=10_000,
            metavar="COUNT",
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Duration, instead of the scenario's.", metavar="SECONDS")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            help="Seed of lost frames, jitter and the judge's errors, the same for every policy.", metavar="NUMBER"
        ),
    ] = 0,
    assessment: Annotated[
        list[str],
        typer.Option(
            help="What makes a level of the verdicts: last, last(min_confirmations=2), evidence, or evidence with its"
            " figures as in evidence(misses=0.1, max_false_alarms=0.5). Once for all policies, or once for each.",
            metavar="NAME",
        ),
    ] = ["last"],  # noqa: B006 - typer copies it
    max_false_alarms: Annotated[
        float,
        typer.Option(
            help="With a judge that errs, the winner alerts soonest with at most this many per hour and track.",
            min=0,
            metavar="RATE",
        ),
    ] = 0.1,
    seeds: Annotated[
        int,
        typer.Option(
            help="Number of runs per policy, each with the next seed; their results are merged.", min=1, metavar="COUNT"
        ),
    ] = 1,
    plot: Annotated[
        Path | None, typer.Option(help="Write a plot of the times to detection of all policies.", metavar="FILE.svg")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per policy and line.")] = False,
    _show_scenario: Annotated[
        bool,
        typer.Option(
            "--show-scenario",
            help="Print the built-in scenario, a start for your own, and exit.",
            callback=_print_scenario,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Compare sampling policies in a simulated room: their cost, their detections and how soon those come.

    For example: ds-actors simulate adaptive "fastest(speaker, scene)"

    The policy, the outbox and the assessment are the monitor's own; cameras,
    link and service are the scenario's. A file that you name is run as Python.
    """
    assessments = _assessments(assessment, policies)
    run = _Run(_script(scenario, tracks, seconds), seed, seeds, assessments, max_false_alarms)
    _check(run.script, policies, plot)
    code = 0
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
            for words, assessed in zip(policies, assessments, strict=True):
                try:
                    run.run(words, assessed, progress)
                except PolicyError as error:
                    _stop(str(error))
                except Exception as error:  # noqa: BLE001 - it is people's code that runs
                    complain(f"{words} failed: {type(error).__name__}: {error}")
                    code = 1
    except KeyboardInterrupt:
        complain("stopped by Ctrl-C")
        code = 130
    _show(run, as_json=as_json)
    if plot is not None and run.outcomes:
        try:
            replace_file(plot, draw(run.outcomes))
        except OSError as error:
            _stop(f"{plot} cannot be written: {error.strerror}")
    raise typer.Exit(code)


def complain(text: str) -> None:
    """Write one line to stderr."""
    typer.echo(f"ds-actors simulate: {plain(text)}", err=True)


def _script(scenario: Path | None, tracks: int | None, seconds: float | None) -> Script:
    room: dict[str, Any] = {} if tracks is None else {"participants": tracks, "tracks_each": 1}
    if seconds is not None:
        room["seconds"] = seconds
    try:
        if scenario is None:
            return parse_script(SCENARIO, name="the built-in scenario", room=room)
        return load_script(scenario, room=room)
    except ScriptError as error:
        _stop(str(error))


def _assessments(given: list[str], policies: list[str]) -> list[str]:
    if len(given) not in (1, len(policies)):
        _stop(f"{len(given)} times --assessment for {len(policies)} policies: give it once, or once for each policy")
    try:
        for words in given:
            parse_assessment(words)
    except PolicyError as error:
        _stop(str(error))
    return given * len(policies) if len(given) == 1 else given


def _check(script: Script, policies: list[str], plot: Path | None) -> None:
    try:
        for words in policies:
            parse_policy(words)
    except PolicyError as error:
        _stop(str(error))
    if plot is None:
        return
    if plot.is_dir() or not plot.parent.is_dir():
        _stop(f"--plot {plot}: it must name a file in an existing folder")
    why = refusal(plot)
    if why is not None:
        _stop(f"--plot {plot}: {why}")
    if not any(verdict.level is not None and verdict.level.elevated for verdict in script.verdicts):
        _stop("--plot shows times to detection, but this scenario has no manipulation")


def _show(run: _Run, *, as_json: bool) -> None:
    if as_json:
        for outcome, took in zip(run.outcomes, run.took, strict=True):
            typer.echo(json.dumps({**outcome.dict(), "winner": outcome is run.winner, "took": took}))
        return
    if not run.outcomes:
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
    console.print(table(run.outcomes))
    if run.script.judges:
        console.print(alarm_table(run.outcomes))
    due = sum(outcome.due for outcome in run.outcomes)
    first = run.outcomes[0]
    each = sum(run.took) / due * 1e6 if due else 0.0
    cost = f"{sum(run.took):.1f} s of processor time, {each:.0f} us per sample"
    typer.echo(f"{first.tracks} tracks, {first.seconds:g} s each; simulated in {cost}")
    for line in (*run.comparison(), *LEGEND, *(ALERT_LEGEND if run.script.judges else ())):
        typer.echo(line)


def _stop(text: str) -> NoReturn:
    complain(text)
    raise typer.Exit(2)
