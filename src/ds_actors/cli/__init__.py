"""The commands of `ds-actors`, one module each, and how each of them ends."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperArgument, TyperGroup

from ds_actors._version import __version__
from ds_actors.cli._command import HelpedCommand
from ds_actors.cli._crash import crashes_apart
from ds_actors.cli._stdout import ends_with_its_output, escape_what_cannot_be_encoded
from ds_actors.cli.calibrate import CALIBRATE_EPILOG, calibrate
from ds_actors.cli.clip import clip
from ds_actors.cli.config import CONFIG_EPILOG, config
from ds_actors.cli.demo import demo
from ds_actors.cli.doctor import DOCTOR_EPILOG, doctor
from ds_actors.cli.replay import REPLAY_EPILOG, replay
from ds_actors.cli.room import ROOM_EPILOG, room
from ds_actors.cli.sandbox import sandbox
from ds_actors.cli.scan import SCAN_EPILOG, scan
from ds_actors.cli.serve import SERVE_EPILOG, serve
from ds_actors.cli.simulate import SIMULATE_EPILOG, simulate
from ds_actors.cli.tune import TUNE_EPILOG, tune
from ds_actors.cli.watch import WATCH_EPILOG, watch


class _Commands(TyperGroup):
    """The group of all commands; each ends in order when its output cannot be written."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Parse the command line; this is where --help and --version write."""
        with ends_with_its_output():
            return super().make_context(*args, **options)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command whose help shows no type next to its flags and arguments."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _without_types(command.get_params(ctx))
        return command

    def get_params(self, ctx: Any) -> Any:
        """Return the options of all commands."""
        return _without_types(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with crashes_apart(), ends_with_its_output():
            return super().invoke(ctx)


def _without_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif isinstance(parameter, TyperArgument):
            # Its name says what it is; the type would be Python's, such as list[Path].
            parameter.display_type_rich = _no_type  # type: ignore[method-assign]
    return parameters


def _no_type(ctx: object) -> None:
    return None


app: typer.Typer = typer.Typer(
    cls=_Commands,
    help="Supervised actors for trio, and the live deepfake monitor built from them.",
    invoke_without_command=True,
    pretty_exceptions_show_locals=False,  # a local may hold a key or a frame
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ds-actors {__version__}")
        raise typer.Exit


@app.callback()
def _main(  # pyright: ignore[reportUnusedFunction]
    context: typer.Context,
    version: bool = typer.Option(
        False,
        "--version",
        callback=_version,
        is_eager=True,
        help="Print the version and exit.",
    ),
) -> None:
    # Asking for nothing is no error: the help is the answer, with exit code 0.
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command(cls=HelpedCommand)(demo)
app.command(cls=HelpedCommand, epilog=ROOM_EPILOG)(room)
app.command(cls=HelpedCommand, epilog=WATCH_EPILOG)(watch)
app.command(cls=HelpedCommand, epilog=REPLAY_EPILOG)(replay)
app.command(cls=HelpedCommand)(clip)
app.command(cls=HelpedCommand, epilog=SCAN_EPILOG)(scan)
app.command(cls=HelpedCommand, epilog=CALIBRATE_EPILOG)(calibrate)
app.command(cls=HelpedCommand, epilog=SERVE_EPILOG)(serve)
app.command(cls=HelpedCommand)(sandbox)
app.command(cls=HelpedCommand, epilog=SIMULATE_EPILOG)(simulate)
app.command(cls=HelpedCommand, epilog=TUNE_EPILOG)(tune)
app.command(cls=HelpedCommand, epilog=DOCTOR_EPILOG)(doctor)
app.command(cls=HelpedCommand, epilog=CONFIG_EPILOG)(config)


def run() -> None:
    """Run the command line."""
    escape_what_cannot_be_encoded()
    app()
