"""Parts of a file that FFmpeg does not read: a second movie, the video of a motion photo, further pages.

The structure is untrusted: it is only searched for these parts, and all work is bounded.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from ds_actors.cli._endings import MOST_PARTS

_MOST_SEARCHED: Final = 256 * 1024 * 1024
_BLOCK: Final = 1 << 20
_MOST_ENTRIES: Final = 100_000
"""Number of entries in the pages of a TIFF that are read."""
_MOVIE_HEAD: Final = re.compile(rb"\0\0\0[\x10-\xff]ftyp[0-9A-Za-z ]{4}")
"""The beginning of an MP4: a small box of this kind, with a brand of four letters."""
_PREVIEW: Final = 1
"""The bit that marks a page as a smaller version of another page."""

SECOND_MOVIE: Final = "a second movie after the first one; split the file"
MOTION_PHOTO: Final = "the video of a motion photo; save it as a separate file"


def unscanned_parts(file: BinaryIO) -> tuple[str, ...]:
    """Return the parts of a file that cannot be scanned, one line each, with the remedy."""
    file.seek(0)
    head = file.read(12)
    try:
        if head[4:8] == b"ftyp":
            return _of_movie(file)
        if head.startswith(b"\xff\xd8\xff"):
            return (MOTION_PHOTO,) if _is_motion_photo(file) else ()
        if head[:4] in (b"II*\0", b"MM\0*"):
            return _of_pages(file, "<" if head[:1] == b"I" else ">")
    except (struct.error, OSError):
        pass
    return ()


def _of_movie(file: BinaryIO) -> tuple[str, ...]:
    kinds = [kind for kind, _place in _boxes(file)]
    parts: list[str] = []
    # FFmpeg reads the fragments of all movies: a joined stream repeats its first part.
    if kinds.count(b"moov") > 1 and b"moof" not in kinds:
        parts.append(SECOND_MOVIE)
    if b"mpvd" in kinds:
        parts.append(MOTION_PHOTO)
    return tuple(parts)


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    place = 0
    for _ in range(MOST_PARTS):
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:
            return
        length, kind = struct.unpack_from(">I4s", head)
        if length == 1:
            (length,) = struct.unpack_from(">Q", head, 8)
        yield kind, place
        if length < 8 or place + length > 1 << 62:
            return
        place += length


def _is_motion_photo(file: BinaryIO) -> bool:
    """Return whether an MP4 begins after the end marker of a JPEG."""
    file.seek(0)
    before, ended = b"", False
    for _ in range(_MOST_SEARCHED // _BLOCK):
        data = file.read(_BLOCK)
        if not data:
            return False
        block = before + data
        if not ended:
            place = block.find(b"\xff\xd9")
            ended = place >= 0
            block = block[place:] if ended else block
        if ended and _MOVIE_HEAD.search(block):
            return True
        before = block[-16:]
    return False


def _of_pages(file: BinaryIO, order: str) -> tuple[str, ...]:
    """Return one line when a TIFF has further pages; previews of a page do not count."""
    pages = 0
    seen: set[int] = set()
    (place,) = struct.unpack(f"{order}I", _at(file, 4, 4))
    entries_left = _MOST_ENTRIES
    while place and place not in seen:
        seen.add(place)
        (count,) = struct.unpack(f"{order}H", _at(file, place, 2))
        entries_left -= count + 1
        if entries_left < 0:
            break
        entries = _at(file, place + 2, 12 * count)
        kinds = [struct.unpack_from(f"{order}HHII", entries, 12 * number) for number in range(count)]
        pages += not any(tag == 254 and value & _PREVIEW for tag, _kind, _count, value in kinds)
        (place,) = struct.unpack(f"{order}I", _at(file, place + 2 + 12 * count, 4))
    return (f"{pages - 1:,} of its {pages:,} pages; save each page as a separate file",) if pages > 1 else ()


def _at(file: BinaryIO, place: int, length: int) -> bytes:
    file.seek(place)
    return file.read(length)
