"""Variables from a file `.env` in the working directory, as LiveKit's own examples read it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from ds_actors.cli._doctor.environment import LIVEKIT_VARIABLES
from ds_actors.detection.service import KEY_VARIABLE, URL_VARIABLE
from ds_actors.detection.settings import CONFIG_VARIABLE, SettingsError
from ds_actors.detection.settings.schema import PROXY_VARIABLE

DOTENV: Final = ".env"
_PREFIXES: Final = ("LIVEKIT_", "DATASPIKE_")
_LEFT: Final = frozenset({PROXY_VARIABLE, CONFIG_VARIABLE})
"""Not read: a folder's file has no say in how this machine reaches the network, nor in which other files count."""

LiveKitUrl = Annotated[
    str | None,
    typer.Option("--livekit-url", help=f"The LiveKit server's URL. Without it: {LIVEKIT_VARIABLES[0]}.", metavar="URL"),
]


def livekit_environment(url: str | None = None) -> Mapping[str, str]:
    """Return the environment after the file has filled in what is missing in it; `url` is that of LiveKit's server.

    What the file says is set for this process, so that all that reads variables finds it. A variable that is set, even
    to nothing, is left as it is. The service's address counts only where its key is not set: else a stranger's folder
    could have the key sent elsewhere.

    Raises:
        SettingsError: when the file cannot be read; says why, and quotes none of it.
    """
    left = _LEFT | {URL_VARIABLE} if KEY_VARIABLE in os.environ else _LEFT
    for name, value in _read(Path(DOTENV)).items():
        if name.startswith(_PREFIXES) and name not in left and value is not None:
            os.environ.setdefault(name, value)
    return {**os.environ} if url is None else {**os.environ, LIVEKIT_VARIABLES[0]: url}


def _read(file: Path) -> Mapping[str, str | None]:
    if not file.exists():
        return {}
    import dotenv  # noqa: PLC0415 - most runs have no such file

    try:
        # Read here: dotenv takes what it cannot open for a file that is not there.
        with file.open(encoding="utf-8-sig") as stream:
            return dotenv.dotenv_values(stream=stream)
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}; correct it, or remove it") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file} is not UTF-8 text; save it as UTF-8, or remove it") from None
