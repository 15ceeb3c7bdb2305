"""The end of a command's --help, behind its options: notes and exit codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

COMMON_CODES: Final[Mapping[int, str]] = {
    70: "the program failed unexpectedly, with a traceback",
    74: "the output cannot be written, as on a full disk",
    141: "the reader of the output ended, as in ... | head -1",
}
"""Exit codes that every command may have, behind its own; a later one takes precedence."""


def epilog(*notes: str, codes: Mapping[int, str]) -> str:
    """Return notes, one paragraph each, and a command's exit codes, success first; a later one takes precedence."""
    table = "\n".join(f"{code:5}  {meaning}" for code, meaning in {**codes, **COMMON_CODES}.items())
    return "\n\n".join([*notes, "Exit codes, the last that applies:", table])
