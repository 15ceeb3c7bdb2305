"""The meta box of a HEIC or AVIF file: which items it describes, where they are, and how they belong together.

The box is untrusted: every length is checked, and all work is bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sized
from typing import BinaryIO, Final

from attrs import define, field

MOST_ITEMS: Final = 4_096
_MOST_TOP_BOXES: Final = 64
_MOST_META_BYTES: Final = 1024 * 1024


class HeifError(ValueError):
    """A meta box without a picture that can be assembled; the message is one line with the reason."""


@define
class MetaBox:
    """The parts of the meta box that matter here."""

    primary: int | None = None
    kinds: dict[int, bytes] = field(factory=dict[int, bytes])
    places: dict[int, tuple[int, int, int]] = field(factory=dict[int, tuple[int, int, int]])
    """Construction method, offset and length of an item of one extent."""
    references: list[tuple[bytes, int, tuple[int, ...]]] = field(factory=list[tuple[bytes, int, tuple[int, ...]]])
    properties: list[tuple[bytes, bytes]] = field(factory=list[tuple[bytes, bytes]])
    associations: dict[int, tuple[int, ...]] = field(factory=dict[int, tuple[int, ...]])
    inside: bytes = field(default=b"", repr=False)

    def targets(self, kind: bytes, source: int) -> tuple[int, ...]:
        """Return the items that a reference of that kind leads to."""
        return next((to for name, start, to in self.references if (name, start) == (kind, source)), ())

    def sources(self, kind: bytes) -> set[int]:
        """Return the items that references of that kind come from."""
        return {source for name, source, _to in self.references if name == kind}


def find_meta_box(file: BinaryIO) -> tuple[bytes, bool] | None:
    """Return the file's meta box, and whether it has a movie beside it; None when it has no meta box."""
    meta: bytes | None = None
    movie = False
    place = 0
    for number in range(_MOST_TOP_BOXES):
        head = read_at(file, place, 16)
        if len(head) < 8:
            break
        size, kind = struct.unpack_from(">I4s", head)
        start = 8
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
            start = 16
        if number == 0 and kind != b"ftyp":
            return None
        movie = movie or kind == b"moov"
        if kind == b"meta" and meta is None:
            meta = read_at(file, place + start, min(size - start, _MOST_META_BYTES) if size else _MOST_META_BYTES)
        if size < start:
            break
        place += size
    return None if meta is None else (meta, movie)


def read_at(file: BinaryIO, place: int, length: int) -> bytes:
    """Return up to `length` bytes from that place on, and leave the file's position as it was."""
    if place > 1 << 62:
        return b""
    before = file.tell()
    try:
        file.seek(place)
        return file.read(max(0, length))
    finally:
        file.seek(before)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if size == 0:
            size = len(data) - place
        if size < 8 or place + size > len(data):
            raise HeifError("its description of pictures is damaged")
        yield kind, data[place + 8 : place + size]
        place += size


def parse_meta_box(data: bytes) -> MetaBox | None:
    """Return what a meta box says; None when it describes no pictures."""
    meta = MetaBox()
    for kind, body in _boxes(data[4:]):
        if kind == b"hdlr" and body[8:12] != b"pict":
            return None
        if kind == b"pitm":
            meta.primary = struct.unpack_from(">I" if body[0] else ">H", body, 4)[0]
        elif kind == b"iinf":
            _read_items(meta, body)
        elif kind == b"iloc":
            _read_places(meta, body)
        elif kind == b"iref":
            _read_references(meta, body)
        elif kind == b"iprp":
            _read_properties(meta, body)
        elif kind == b"idat":
            meta.inside = body
    return meta if meta.kinds else None


def _read_items(meta: MetaBox, body: bytes) -> None:
    for kind, entry in _boxes(body[6:] if body[0] == 0 else body[8:]):
        if kind != b"infe" or entry[0] < 2:
            continue
        size = 2 if entry[0] == 2 else 4
        item, after = int.from_bytes(entry[4 : 4 + size], "big"), 4 + size
        meta.kinds[item] = entry[after + 2 : after + 6]
        _check_count(meta.kinds)


def _read_places(meta: MetaBox, body: bytes) -> None:
    reader = _Reader(body)
    version = reader.number(1)
    reader.place = 4
    sizes = reader.number(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(reader.number(4 if version == 2 else 2)):
        item = reader.number(4 if version == 2 else 2)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)
        base = reader.number(base_size)
        extents = reader.number(2)
        index_bytes = index_size if version else 0
        if extents == 1 and method < 2:
            reader.number(index_bytes)
            place = base + reader.number(offset_size)
            meta.places[item] = (method, place, reader.number(length_size))
        else:
            reader.place += extents * (index_bytes + offset_size + length_size)
        _check_count(meta.places)


def _read_references(meta: MetaBox, body: bytes) -> None:
    size = 4 if body[0] else 2
    for kind, entry in _boxes(body[4:]):
        reader = _Reader(entry)
        source = reader.number(size)
        targets = tuple(reader.number(size) for _ in range(reader.number(2)))
        meta.references.append((kind, source, targets))
        _check_count(meta.references)


def _read_properties(meta: MetaBox, body: bytes) -> None:
    for kind, entry in _boxes(body):
        if kind == b"ipco":
            for entry_kind, entry_body in _boxes(entry):
                meta.properties.append((entry_kind, entry_body))
                _check_count(meta.properties)
        elif kind == b"ipma":
            reader = _Reader(entry)
            version, flags = reader.number(1), reader.number(3)
            for _ in range(reader.number(4)):
                item = reader.number(4 if version else 2)
                wide = flags & 1
                meta.associations[item] = tuple(
                    reader.number(2) & 0x7FFF if wide else reader.number(1) & 0x7F for _ in range(reader.number(1))
                )
                _check_count(meta.associations)


def _check_count(entries: Sized) -> None:
    if len(entries) > MOST_ITEMS:
        raise HeifError(f"it describes more than {MOST_ITEMS:,} pictures or parts of pictures")


@define
class _Reader:
    """Reads consecutive numbers."""

    data: bytes = field(repr=False)
    place: int = 0

    def number(self, size: int) -> int:
        """Return the next unsigned number of `size` bytes; 0 for a size of 0.

        Raises:
            IndexError: when the data ends before the number does.
        """
        part = self.data[self.place : self.place + size]
        if len(part) < size:
            raise IndexError
        self.place += size
        return int.from_bytes(part, "big")
