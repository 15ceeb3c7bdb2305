"""What `ds-actors room` needs beside its Python packages, found; and how to get what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from attrs import frozen

from ds_actors.cli._adapter import adapter_missing, checkout, has_adapter

PAGE: Final = Path(__file__).parent / "page"
"""The built page; git does not hold it, a wheel that was made after `make room-page` does."""
_SERVER: Final = "livekit-server"
_SERVER_DOCS: Final = "https://docs.livekit.io/home/self-hosting/local/"


@frozen
class Found:
    """Everything that was found."""

    server: Path
    page: Path


def find_requirements(server: Path | None, *, page: Path = PAGE, root: Path | None = None) -> Found | list[str]:
    """Return what was found, or one line per missing thing that says what to do.

    Args:
        server: livekit-server's program where the user named it.
        page: the folder of the built page.
        root: the clone that this runs in; None to look for one.
    """
    clone = root or checkout()
    missing: list[str] = []
    program = _server(server, clone)
    if program is None:
        missing.append(_server_missing(server, clone))
    if not has_adapter():
        missing.append(adapter_missing(clone))
    if not (page / "index.html").is_file():
        missing.append(_page_missing(clone))
    return missing if program is None or missing else Found(program, page)


def _server(given: Path | None, clone: Path | None) -> Path | None:
    if given is not None:
        found = shutil.which(given)
        return Path(found).resolve() if found else None
    if on_path := shutil.which(_SERVER):
        return Path(on_path)
    built = clone / ".cache" / "livekit" / "bin" / _SERVER if clone else None
    return built if built is not None and built.is_file() else None


def _server_missing(given: Path | None, clone: Path | None) -> str:
    if given is not None:
        return f"--livekit-server: {given} is not a program"
    here = ", or build it here with `make components` (needs Go 1.25)" if clone else ""
    return f"{_SERVER} is not on PATH: install it ({_SERVER_DOCS}){here}, or name it with --livekit-server"


def _page_missing(clone: Path | None) -> str:
    if clone is None:
        return (
            "this installation lacks the web page: in a clone, run `make room-page`, then install from the clone again"
        )
    npm = "" if shutil.which("npm") else "; that needs Node.js 20.19 or newer, with npm, which is not on PATH"
    return f"the web page is not built: run `make room-page` in {clone}{npm}"
