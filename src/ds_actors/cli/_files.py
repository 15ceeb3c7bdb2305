"""How a command writes a file: for its owner alone, whole or not at all, and never through a symbolic link."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def refusal(path: Path) -> str | None:
    """Return why `replace_file` does not write there; None when it does."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return None
    if stat.S_ISLNK(mode):
        return "it is a symbolic link, which is not followed: name the file itself"
    return None if stat.S_ISREG(mode) else "it is not a regular file"


def replace_file(path: Path, text: str) -> None:
    """Write text as UTF-8 beside the path and rename it there, with mode 0600: a reader sees the old file or the new.

    Raises:
        OSError: when it cannot be written, or the path is a link or no regular file; nothing is left behind.
    """
    why = refusal(path)
    if why is not None:
        raise OSError(0, why)
    number, beside = tempfile.mkstemp(prefix=".ds-actors-", dir=path.parent)  # mkstemp's mode is 0600
    try:
        with open(number, "wb") as file:  # noqa: PTH123 - it is open already
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(number)
        os.replace(beside, path)  # noqa: PTH105 - `beside` is a string
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)  # noqa: PTH108 - likewise
        raise


def open_new(path: Path) -> BinaryIO:
    """Open a file that must not exist yet, not even as a link, with mode 0600.

    Raises:
        OSError: when it exists, or cannot be made.
    """
    return open(path, "xb", opener=_private)


@contextmanager
def new_file(path: Path) -> Generator[BinaryIO]:
    """Open a file that must not exist yet, not even as a link, with mode 0600; it is removed when the block fails.

    Raises:
        OSError: when it exists, or cannot be made.
    """
    with open_new(path) as file:
        try:
            yield file
        except BaseException:
            path.unlink()
            raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
