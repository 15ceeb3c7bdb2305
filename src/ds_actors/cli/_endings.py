"""Detection of a missing end of a file, from the structure of its container.

FFmpeg reads a Matroska, fragmented MP4 or Ogg file up to the cut and reports no error. The structure is untrusted: it
only answers this question, and all work is bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO, Final

MOST_PARTS: Final = 1_000_000
"""Number of elements, boxes or chunks that are read; a file with more of them counts as whole."""
_TAIL: Final = 256 * 1024
_MOST_HEADER: Final = 64 * 1024 * 1024
_MOST_INDEX: Final = 12 * 0x10000 + 64
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_UNKNOWN_SIZE: Final = -1
_BOXES: Final = frozenset(
    {
        b"ftyp",
        b"styp",
        b"moov",
        b"moof",
        b"mdat",
        b"mfra",
        b"free",
        b"skip",
        b"wide",
        b"sidx",
        b"uuid",
        b"meta",
        b"udta",
    }
    | {b"emsg", b"prft", b"pdin", b"ssix", b"mpvd"}
)
_CUT_BOX: Final = "its last box is cut off"


def missing_end(file: BinaryIO, size: int) -> str:
    """Return in one line what is missing at the end of a file of `size` bytes; empty when no sign of a cut is found.

    Supports Matroska and WebM, MP4 and its relatives, AVI, Ogg, JPEG and GIF.
    """
    file.seek(0)
    head = file.read(12)
    try:
        return next((judge(file, size) for mark, judge in _JUDGES if mark(head)), "")
    except (struct.error, IndexError, OSError):
        return ""  # an unknown structure


def _matroska(file: BinaryIO, size: int) -> str:
    place = 0
    for _ in range(MOST_PARTS):
        if place >= size:
            return ""
        file.seek(place)
        element = _element(file.read(12))
        if element is None:
            return "its last Matroska element is cut off" if place + 12 > size else ""
        kind, length, head = element
        if length == _UNKNOWN_SIZE:
            # The children are read like siblings.
            if kind not in (_SEGMENT, _CLUSTER):
                return ""
            place += head
        else:
            place += head + length
            if place > size:
                return "its Matroska segment is cut off" if kind == _SEGMENT else "its last Matroska element is cut off"
    return ""


def _element(data: bytes) -> tuple[int, int, int] | None:
    """Return an element's identifier and the lengths of its data and head; None when the head is incomplete."""
    if not data or not data[0] >> 4:
        return None
    id_length = 5 - data[0].bit_length() + 4
    rest = data[id_length:]
    if not rest or not rest[0]:
        return None
    size_length = 9 - rest[0].bit_length()
    if len(rest) < size_length:
        return None
    mask = (1 << 7 * size_length) - 1
    length = int.from_bytes(rest[:size_length], "big") & mask
    kind = int.from_bytes(data[:id_length], "big")
    return kind, _UNKNOWN_SIZE if length == mask else length, id_length + size_length


def _iso(file: BinaryIO, size: int) -> str:
    place, last, promised = 0, b"", 0
    for _ in range(MOST_PARTS):
        if place + 8 > size:
            break
        file.seek(place)
        head = file.read(16)
        length, kind = struct.unpack_from(">I4s", head)
        start = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", head, 8)
            start = 16
        if kind not in _BOXES or (length and length < start):
            return ""  # appended data of another kind
        if length == 0:
            return ""
        if kind == b"sidx":
            file.seek(place + start)
            promised = max(promised, place + length + _indexed(file.read(min(length, _MOST_INDEX))))
        last = kind
        place += length
        if place > size:
            return _CUT_BOX
    if last == b"moof":
        return "its last fragment has no data"
    file.seek(min(place, size))
    if file.read(8).strip(b"\0"):
        return _CUT_BOX
    return "its index lists more fragments" if promised > size else ""


def _indexed(body: bytes) -> int:
    """Return the total size of the segments that follow a segment index, in bytes; `body` is the content of its box."""
    version = body[0]
    place = 12 + (16 if version else 8)
    first = int.from_bytes(body[20:28] if version else body[16:20], "big")
    (count,) = struct.unpack_from(">H", body, place + 2)
    references: tuple[int, ...] = struct.unpack_from(">" + "I8x" * count, body, place + 4)
    return first + sum(reference & 0x7FFFFFFF for reference in references)


def _riff(file: BinaryIO, size: int) -> str:
    place = 0
    for _ in range(MOST_PARTS):
        if place + 8 > size:
            return ""
        file.seek(place)
        kind, length = struct.unpack("<4sI", file.read(8))
        if kind != b"RIFF" or length in (0, 0xFFFFFFFF):
            return ""
        place += 8 + length + length % 2
        if place > size + 1:
            return "its last RIFF chunk is cut off"
    return ""


def _ogg(file: BinaryIO, size: int) -> str:
    start = max(0, size - _TAIL)
    file.seek(start)
    tail = file.read(_TAIL)
    place = tail.find(b"OggS")
    flags = 0
    while 0 <= place < len(tail):
        if tail[place : place + 4] != b"OggS":
            place = tail.find(b"OggS", place + 1)
            continue
        if place + 27 > len(tail):
            return "its last Ogg page is cut off"
        flags, segments = tail[place + 5], tail[place + 26]
        table = tail[place + 27 : place + 27 + segments]
        place += 27 + segments + sum(table)
        if place > len(tail):
            return "its last Ogg page is cut off"
    return "" if flags & 4 else "no Ogg page is marked as the last one"


def _jpeg(file: BinaryIO, size: int) -> str:
    place = 2
    while place < min(size, _MOST_HEADER):
        file.seek(place)
        marker, length = struct.unpack(">HH", file.read(4))
        if marker >> 8 != 0xFF or length < 2:
            return ""
        place += 2 + length
        if marker == 0xFFDA:
            break
    file.seek(place)
    # Coded data never contains these two bytes, because a 0 follows each 0xFF in it.
    before = b""
    while data := file.read(1 << 20):
        if b"\xff\xd9" in before + data:
            return ""
        before = data[-1:]
    return "it has no end marker"


def _gif(file: BinaryIO, size: int) -> str:
    file.seek(max(0, size - _TAIL))
    return "" if file.read(_TAIL).rstrip(b"\0").endswith(b";") else "it has no end marker"


_Mark = Callable[[bytes], bool]
_JUDGES: Final[tuple[tuple[_Mark, Callable[[BinaryIO, int], str]], ...]] = (
    (lambda head: head.startswith(b"\x1a\x45\xdf\xa3"), _matroska),
    (lambda head: head[4:8] in _BOXES, _iso),
    (lambda head: head.startswith(b"RIFF"), _riff),
    (lambda head: head.startswith(b"OggS"), _ogg),
    (lambda head: head.startswith(b"\xff\xd8\xff"), _jpeg),
    (lambda head: head.startswith(b"GIF8"), _gif),
)
