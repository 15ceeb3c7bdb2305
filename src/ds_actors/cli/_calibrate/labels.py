"""What is labelled: files that a detector is to judge, or lines that a scan wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from attrs import frozen

from ds_actors.detection.levels.calibration import CalibrationError, LabelledTrack, labelled

Person = Literal["file", "folder"]


@frozen
class LabelledFile:
    """One file whose truth is known, and the person whose errors its samples share."""

    path: Path
    person: str
    manipulated: bool


def labelled_files(place: Path, person: Person, *, manipulated: bool) -> list[LabelledFile]:
    """Return the file, or the files in a folder and the folders in it, sorted; hidden ones are left out.

    With `folder`, the person of a file is its folder's path from `place`, or the name of `place` for what lies directly
    in it, so that the same name below two places, and the folder `alice` itself, are one person.

    Raises:
        CalibrationError: when there is no file.
    """
    if place.is_file():
        return [LabelledFile(place, _person(place, place.parent, person), manipulated)]
    if not place.is_dir():
        raise CalibrationError(f"{place} does not exist: give a folder of videos and pictures, or one of them")
    paths: list[Path] = []
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if not name.startswith(".")]  # os.walk goes on with these
        paths += [Path(folder, name) for name in names if not name.startswith(".")]
    paths.sort()
    if not paths:
        raise CalibrationError(f"{place} has no files in it")
    return [LabelledFile(path, _person(path, place, person), manipulated) for path in paths]


def _person(path: Path, place: Path, person: Person) -> str:
    folder = path.parent.relative_to(place)
    if person == "file":
        return str(path)
    return place.resolve().name if folder == Path() else str(folder)


def scanned_tracks(path: Path, person: Person, *, manipulated: bool) -> Iterator[LabelledTrack]:
    """Yield the answers of the lines that `ds-actors scan --json` wrote into a file.

    Raises:
        CalibrationError: when it cannot be read, or a line is no such line; the message has its place.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise CalibrationError(f"{path} cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            scan = json.loads(line)
            owner = str(Path(scan["file"]).parent) if person == "folder" else None
            yield labelled(scan, manipulated=manipulated, person=owner)
        except (CalibrationError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CalibrationError(f"{path}, line {number}: {error}") from None
