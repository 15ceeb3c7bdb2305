"""The end of a command's --help, behind its options: notes and exit codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

COMMON_CODES: Final[Mapping[int, str]] = {
    141: "the reader of the output ended, as in ... | head -1",
    74: "the output cannot be written, as on a full disk",
    70: "the program failed unexpectedly, with a traceback",
}
"""Exit codes that every command may have, in the order in which they apply."""


def epilog(*notes: str, codes: Mapping[int, str]) -> str:
    """Return notes, one paragraph each, and the exit codes of a command in the order in which they apply."""
    table = "\n".join(f"{code:5}  {meaning}" for code, meaning in {**COMMON_CODES, **codes}.items())
    return "\n\n".join([*notes, "Exit codes, the first that applies:", table])
