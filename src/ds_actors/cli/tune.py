"""`ds-actors tune`: sampling and evidence for a judge that errs, within a budget and a bound on false alarms."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from attrs import asdict
from rich.console import Console
from rich.progress import Progress

from ds_actors.cli._epilog import epilog
from ds_actors.cli._files import refusal, replace_file
from ds_actors.cli._simulate.alarms import alarm_table
from ds_actors.cli._simulate.alert_comparison import ALERT_LEGEND
from ds_actors.cli._simulate.frontier import draw_frontier
from ds_actors.cli._simulate.processes import performer
from ds_actors.detection.events import plain
from ds_actors.detection.levels.calibration import CalibrationError, parse_evidence
from ds_actors.detection.levels.evidence import Evidence
from ds_actors.simulation import Outcome
from ds_actors.simulation.bound import soonest_alert
from ds_actors.simulation.search import Halving, TrackRun, TuningRoom
from ds_actors.simulation.tuning import Tried, Wish, frontier

TUNE_EPILOG: Final = epilog(
    "The rates of misses and false flags are those of ds-actors calibrate; --judge reads its file.",
    codes={
        0: "something keeps the target",
        2: "wrong usage",
        1: "nothing keeps the target",
        130: "stopped by Ctrl-C",
    },
)
_WIDE: Final = 160


def tune(
    *,
    misses: Annotated[
        float | None, typer.Option(help="Share of manipulated samples answered with clear.", metavar="SHARE")
    ] = None,
    false_flags: Annotated[
        float | None, typer.Option(help="Share of genuine samples that are flagged.", metavar="SHARE")
    ] = None,
    judge: Annotated[
        Path | None, typer.Option(help="Read both, and the correlation, from a file of calibrate.", metavar="FILE.toml")
    ] = None,
    max_false_alarms: Annotated[
        float, typer.Option(help="The most false alarms per hour and track.", metavar="RATE")
    ] = 0.1,
    budget: Annotated[float, typer.Option(help="Samples per second and track.", metavar="FPS")] = 0.3,
    latency: Annotated[float, typer.Option(help="Seconds from a sample to its answer.", metavar="SECONDS")] = 0.3,
    hours: Annotated[
        float, typer.Option(help="Track hours to simulate for each choice.", min=0.1, max=100_000, metavar="HOURS")
    ] = 100.0,
    seed: Annotated[int, typer.Option(help="Seed of the judge's errors.", metavar="NUMBER")] = 0,
    processes: Annotated[
        int | None,
        typer.Option(
            help="Processes that simulate; the result is the same. Default: one for each processor.",
            min=1,
            max=1_024,
            metavar="COUNT",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write a plot: delay against cost, and false alarms.", metavar="FILE.svg")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find sampling and evidence for a service that errs, within a budget and a bound on false alarms.

    For example: ds-actors tune --misses 0.2 --false-flags 0.02 --max-false-alarms 0.1 --budget 0.3
    """
    wish = _wish(_evidence(judge, misses, false_flags, max_false_alarms), budget, latency)
    if plot is not None and (plot.is_dir() or not plot.parent.is_dir()):
        _stop(f"--plot {plot}: it must name a file in an existing folder")
    why = None if plot is None else refusal(plot)
    if why is not None:
        _stop(f"--plot {plot}: {why}")
    room = TuningRoom(wish, hours, seed)
    visible = sys.stderr.isatty()
    if not visible:
        typer.echo(f"ds-actors tune: simulating {hours:g} track hours for each choice", err=True)
    try:
        with (
            Progress(console=Console(stderr=True), transient=True, disable=not visible) as progress,
            performer(room, processes) as perform,
        ):
            task = progress.add_task("simulating", total=Halving.most_runs(room))

            def watched(runs: Sequence[TrackRun]) -> Iterator[Outcome]:
                for outcome in perform(runs):
                    progress.advance(task)
                    yield outcome

            halving = Halving(room, watched)
            last = halving.search()
    except KeyboardInterrupt:
        typer.echo("ds-actors tune: stopped by Ctrl-C", err=True)
        raise typer.Exit(130) from None
    found, shown = halving.found, frontier(halving.tried, halving.found)
    if plot is not None:
        try:
            replace_file(plot, draw_frontier(shown, found, last, wish))
        except OSError as error:
            _stop(f"{plot} cannot be written: {error.strerror}")
    if as_json:
        _show_json(found, shown, last, wish)
    else:
        _show(found, shown, last, wish)
    if found is None:
        typer.echo(
            "ds-actors tune: nothing keeps the target within the budget; raise --budget or --max-false-alarms, or"
            " simulate more --hours",
            err=True,
        )
        raise typer.Exit(1)


def _show(found: Tried | None, shown: list[Tried], last: Outcome, wish: Wish) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
    console.print(alarm_table([last, *(each.outcome for each in shown)]))
    for line in ALERT_LEGEND:
        typer.echo(line)
    if found is not None:
        for line in _words(found, last, wish):
            typer.echo(line)


def _words(found: Tried, last: Outcome, wish: Wish) -> Iterator[str]:
    median, p90 = found.delays
    yield f"best at {wish.budget:g} samples/s: {found.choice.name}"
    bounds = [soonest_alert(found.cost, wish.evidence.misses, wish.latency, share) for share in (0.5, 0.9)]
    yield f"half of all manipulations are alerted within {median:.2f} s, 90 % within {p90:.2f} s"
    yield f"no policy whose normal rate is its lowest is faster than {bounds[0]:.2f} s and {bounds[1]:.2f} s"
    rates = [last.false_alarm_rate, found.outcome.false_alarm_rate]
    yield f"false alarms per hour and track: {rates[1]:.3g}, where the last verdict makes {rates[0]:.3g}"
    yield ""
    yield found.choice.code


def _show_json(found: Tried | None, shown: list[Tried], last: Outcome, wish: Wish) -> None:
    def row(each: Tried) -> dict[str, object]:
        return {"choice": asdict(each.choice), "code": each.choice.code, **each.outcome.alarms()}

    bounds = {
        name: soonest_alert(wish.budget, wish.evidence.misses, wish.latency, share)
        for name, share in (("median", 0.5), ("p90", 0.9))
    }
    best_row = None if found is None else row(found)
    typer.echo(
        json.dumps(
            {"best": best_row, "frontier": [row(each) for each in shown], "last": last.alarms(), "bounds": bounds}
        )
    )


def _evidence(judge: Path | None, misses: float | None, false_flags: float | None, max_false_alarms: float) -> Evidence:
    figures = {"max_false_alarms": max_false_alarms}
    figures |= {} if misses is None else {"misses": misses}
    figures |= {} if false_flags is None else {"false_flags": false_flags}
    if judge is None and (misses is None or false_flags is None):
        _stop("say how the service errs: --misses and --false-flags, or --judge with a file of ds-actors calibrate")
    try:
        return Evidence(**figures) if judge is None else parse_evidence(judge.read_text("utf-8"), **figures)
    except (CalibrationError, UnicodeDecodeError) as error:
        _stop(f"{judge}: {error}")
    except OSError as error:
        _stop(f"{judge} cannot be read: {error.strerror}")
    except ValueError as error:
        _stop(str(error))


def _wish(evidence: Evidence, budget: float, latency: float) -> Wish:
    try:
        return Wish(evidence, budget, latency)
    except ValueError as error:
        _stop(str(error))


def _stop(text: str) -> NoReturn:
    typer.echo(f"ds-actors tune: {plain(text)}", err=True)
    raise typer.Exit(2)
