"""The commands: `ds-actors demo | sandbox | scan`."""

from __future__ import annotations

import typer

from ds_actors._version import __version__
from ds_actors.cli.demo import demo
from ds_actors.cli.sandbox import sandbox
from ds_actors.cli.scan import scan

app: typer.Typer = typer.Typer(
    help="Supervised actors for trio, and the live deepfake monitor built from them.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a local may hold a key or a frame
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ds-actors {__version__}")
        raise typer.Exit


@app.callback()
def _main(  # pyright: ignore[reportUnusedFunction]
    version: bool = typer.Option(
        False,
        "--version",
        callback=_version,
        is_eager=True,
        help="Print the version and exit.",
    ),
) -> None:
    pass


app.command()(demo)
app.command()(sandbox)
app.command()(scan)


def run() -> None:
    """Run the command line."""
    app()
