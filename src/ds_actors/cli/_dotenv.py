"""Variables from a file `.env` in the working directory, as LiveKit's own examples read it."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from ds_actors.cli._doctor.environment import LIVEKIT_TOKEN, LIVEKIT_VARIABLES
from ds_actors.detection.service import KEY_VARIABLE, URL_VARIABLE
from ds_actors.detection.settings import CONFIG_VARIABLE, SettingsError
from ds_actors.detection.settings.schema import BY_KEY, PREFIX, PROXY_VARIABLE, SETTINGS

DOTENV: Final = ".env"
_LIVEKIT: Final = frozenset({*LIVEKIT_VARIABLES, LIVEKIT_TOKEN})
"""No others of LiveKit's: its SDK loads the library that LIVEKIT_LIB_PATH names."""
_JSON_LINES: Final = (spec.variable for spec in SETTINGS if spec.key.startswith("sinks.json_lines."))
_LEFT: Final = frozenset({PROXY_VARIABLE, CONFIG_VARIABLE, *_JSON_LINES})
"""Not read: a folder's file has no say in how this machine reaches the network, nor in which files are read or written.

What is written holds names that strangers choose, and a file may be one that a shell runs.
"""
_BESIDE: Final = {
    URL_VARIABLE: KEY_VARIABLE,
    BY_KEY["sinks.webhook.url"].variable: BY_KEY["sinks.webhook.secret"].variable,
}
"""Addresses, and what is sent to each: else a stranger's folder could have a key or secret of yours sent elsewhere."""

LiveKitUrl = Annotated[
    str | None,
    typer.Option("--livekit-url", help=f"The LiveKit server's URL. Without it: {LIVEKIT_VARIABLES[0]}.", metavar="URL"),
]


def livekit_environment(url: str | None = None) -> Mapping[str, str]:
    """Return the environment after the file has filled in what is missing in it; `url` is that of LiveKit's server.

    What the file says is set for this process, so that all that reads variables finds it. A variable that is set, even
    to nothing, is left as it is. The addresses of the service and of the webhook count only where its key or secret is
    not set.

    Raises:
        SettingsError: when the file cannot be read; says why, and quotes none of it.
    """
    left = _LEFT | {address for address, secret in _BESIDE.items() if secret in os.environ}
    for name, value in _read(Path(DOTENV)).items():
        if (name in _LIVEKIT or name.startswith(PREFIX)) and name not in left and value is not None:
            os.environ.setdefault(name, value)
    return {**os.environ} if url is None else {**os.environ, LIVEKIT_VARIABLES[0]: url}


def _read(file: Path) -> Mapping[str, str | None]:
    if file.is_dir():  # a virtual environment of that name
        return {}
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}; correct it, or remove it") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file} is not UTF-8 text; save it as UTF-8, or remove it") from None
    import dotenv  # noqa: PLC0415 - most runs have no such file

    # Not interpolated: a stranger's file could put any variable of the environment into an address.
    return dotenv.dotenv_values(stream=io.StringIO(text), interpolate=False)
