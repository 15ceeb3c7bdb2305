"""What `ds-actors room` needs beside its Python packages, found; and how to get what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from attrs import frozen

from ds_actors._clone import clone
from ds_actors.cli._adapter import adapter_missing, has_adapter

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
        root: the clone that this was installed from; None to look for one.
    """
    folder = root or clone()
    missing: list[str] = []
    program = _server(server, folder)
    if program is None:
        missing.append(_server_missing(server, folder))
    if not has_adapter():
        missing.append(adapter_missing())
    if not (page / "index.html").is_file():
        missing.append(_page_missing(page, folder))
    return missing if program is None or missing else Found(program, page)


def _server(given: Path | None, folder: Path | None) -> Path | None:
    if given is not None:
        found = shutil.which(given)
        return Path(found).resolve() if found else None
    if on_path := shutil.which(_SERVER):
        return Path(on_path)
    built = folder / ".cache" / "livekit" / "bin" / _SERVER if folder else None
    return built if built is not None and built.is_file() else None


def _server_missing(given: Path | None, folder: Path | None) -> str:
    if given is not None:
        return f"--livekit-server: {given} is not a program"
    here = f", or build it by `make components` in {folder} (needs Go 1.25)" if folder else ""
    return f"{_SERVER} is not on PATH: install it ({_SERVER_DOCS}){here}, or name it with --livekit-server"


def _page_missing(page: Path, folder: Path | None) -> str:
    if folder is None or not page.is_relative_to(folder):
        return (
            "this installation lacks the web page: in a clone, run `make room-page`, then install from the clone again"
        )
    npm = "" if shutil.which("npm") else "; that needs Node.js 20.19 or newer, with npm, which is not on PATH"
    return f"the web page is not built: run `make room-page` in {folder}{npm}"
