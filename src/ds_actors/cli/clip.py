"""`ds-actors clip`: a video to scan, with a patch painted over the face for a while."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import av
import typer
from av.error import FFmpegError
from rich.console import Console
from rich.progress import Progress

from ds_actors._text import counted
from ds_actors.cli._files import new_file
from ds_actors.cli._program import program
from ds_actors.cli._video import words
from ds_actors.cli.clips import CREDIT, HEIGHT, WIDTH, picture_at, portrait
from ds_actors.detection.events import plain
from ds_actors.sandbox import paint_marker

_FPS = 25
_SHARE = 0.12


def clip(
    file: Annotated[
        Path, typer.Argument(help="Where to write the video; the file must not exist yet.", metavar="FILE.mp4")
    ],
    seconds: Annotated[int, typer.Option(help="Length of the video.", min=3, max=600, metavar="SECONDS")] = 12,
) -> None:
    """Write a video that `ds-actors scan --sandbox` raises an alert on.

    For example: ds-actors clip alice.mp4

    It shows a public-domain portrait that moves. In its middle third, the
    patch that the sandbox looks for is painted over the face.

    Exit code 2: the file could not be written.
    """
    shown = plain(str(file))
    if file.suffix.lower() != ".mp4":
        _fail(f"{shown}: its name must end in .mp4")
    try:
        with new_file(file) as target:
            if not sys.stderr.isatty():
                pictures = counted(seconds * _FPS, "picture")
                typer.echo(f"ds-actors clip: painting {pictures} into {shown}, which takes a while", err=True)
            _write(target, seconds)
    except FileExistsError:
        _fail(f"{shown} exists already, and no file is overwritten: name another, or remove it")
    except (OSError, FFmpegError) as error:
        _fail(f"{shown} cannot be written: {words(error)}")
    begin, end = _painted(seconds)
    typer.echo(f"{shown}: {seconds} s, painted over from {begin:g} to {end:g} s. {CREDIT}")
    typer.echo(f"next: {program()} scan --sandbox {shlex.quote(shown)}")


def _painted(seconds: int) -> tuple[float, float]:
    """Return when the patch appears and disappears, in seconds."""
    return round(seconds / 3, 1), round(seconds * 2 / 3, 1)


def _write(target: Any, seconds: int) -> None:
    image = portrait()
    begin, end = _painted(seconds)
    # PyAV's annotations are incomplete.
    opened: Any = av.open(target, "w", format="mp4")
    showing = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with opened as container, showing as progress:
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"  # a build without x264 has only mpeg4
        stream: Any = container.add_stream(codec, rate=_FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in progress.track(range(seconds * _FPS), description="painting"):
            picture = picture_at(image, number / _FPS)
            if begin <= number / _FPS < end:
                picture = paint_marker(picture, _SHARE)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _fail(text: str) -> NoReturn:
    typer.echo(f"ds-actors clip: {text}", err=True)
    raise typer.Exit(2)
