"""What a scan shows: lines and tables on stdout, problems and the progress bar on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import typer
from attrs import define
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ds_actors._text import counted
from ds_actors.cli._scan.report import clock
from ds_actors.cli._scan.result import ScanOutcome, StreamScan
from ds_actors.cli._scan.segments import exact, samples_due
from ds_actors.detection.events import Level, plain

_STYLES: Final = {Level.CLEAR: "green", Level.SUSPICIOUS: "yellow", Level.ALERT: "bold red"}


def complain(text: str) -> None:
    """Write one line to stderr."""
    typer.echo(f"ds-actors scan: {plain(text)}", err=True)


def show(result: StreamScan, *, as_json: bool) -> None:
    """Write one video stream's result to stdout, and its problem to stderr."""
    if as_json:
        typer.echo(json.dumps(result.as_dict()))
    elif result.outcome not in (ScanOutcome.BAD_INPUT, ScanOutcome.NOT_SCANNED):
        _table(result)
    if result.problem:
        complain(f"{result.name}: {result.problem}")


def _table(result: StreamScan) -> None:
    console = Console(highlight=False)
    figures = f"{result.samples}; {result.outcome}"
    if result.damage.places:
        figures += f"; {result.damage}"
    if result.auxiliary:
        figures += f"; {counted(len(result.auxiliary), 'auxiliary picture')} not scanned"
    console.print(
        Text(plain(result.name)), Text(str(result.level), _STYLES.get(result.level, "")), soft_wrap=True, sep=": "
    )
    table = Table(box=None, pad_edge=False)
    for name in ("from", "to", "level", "samples"):
        table.add_column(name, justify="left" if name == "level" else "right")
    for part in result.timeline.segments:
        level = Text(str(part.level), _STYLES.get(part.level, ""))
        table.add_row(clock(part.start), clock(part.end), level, str(part.samples))
    console.print(table)
    console.print(Text(figures), soft_wrap=True)


@define
class Bar:
    """A file's line in the progress view."""

    progress: Progress
    task: TaskID

    def update(self, result: StreamScan) -> None:
        """Show how far the file is."""
        elapsed = self.progress.tasks[0].elapsed or 0.0
        rate = f"{result.answered / elapsed:.1f}/s" if elapsed else ""
        total = None
        if result.stated is not None:
            total = max(result.due, samples_due(exact(result.fps), exact(round(result.stated, 3))))
        self.progress.update(self.task, completed=result.answered, total=total, rate=rate)


@contextmanager
def progress_bar(name: str) -> Generator[Bar]:
    """Show progress on stderr for the length of a block, where stderr is a terminal."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        yield Bar(progress, progress.add_task(plain(name, 40), total=None, rate=""))
