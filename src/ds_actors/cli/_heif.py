"""The pictures of a HEIC or AVIF file according to its meta box: single items, and grids of tiles.

FFmpeg provides each coded item as a video stream and leaves the assembly of tiles to its caller. The box is untrusted:
every length is checked, and all work is bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sized
from typing import BinaryIO, Final

from attrs import define, field, frozen

from ds_actors.cli._orientation import FLIPPED, MIRRORED, UPRIGHT, Orientation, quarters_left

MOST_ITEMS: Final = 4_096
_MOST_TOP_BOXES: Final = 64
_MOST_META_BYTES: Final = 1024 * 1024
_MOST_GRID_BYTES: Final = 64
_CODED: Final = frozenset({b"hvc1", b"av01", b"jpeg", b"avc1", b"j2k1", b"vvc1", b"evc1", b"lhv1", b"unci"})
_DERIVED: Final = frozenset({b"iovl", b"iden", b"tmap"})


class HeifError(ValueError):
    """A meta box without a picture that can be assembled; the message is one line with the reason."""


@frozen
class TileGrid:
    """The layout of tiles, row by row from the upper left corner; the picture is cropped to its stated size."""

    rows: int
    columns: int
    width: int
    height: int
    tiles: tuple[int, ...]
    """Item numbers of the tiles."""


@frozen
class StillPicture:
    """One picture that a viewer shows."""

    item: int
    """Number of the coded item or the grid."""
    grid: TileGrid | None = None
    orientation: Orientation = UPRIGHT
    """Orientation of a grid. FFmpeg states the orientation of a coded item in its frames."""


@define
class _Meta:
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


def still_pictures(file: BinaryIO) -> tuple[StillPicture, ...]:
    """Return the pictures of an ISO-BMFF file that is a still image, the primary one first; none for any other file.

    Thumbnails, alpha, depth and gain maps are no pictures of their own, and neither are tiles.

    Raises:
        HeifError: for a picture that is composed in another way than as a grid, or a box that makes no sense.
    """
    found = _meta_box(file)
    if found is None:
        return ()
    data, has_movie = found
    try:
        meta = _parsed(data)
        if meta is None or (has_movie and b"grid" not in meta.kinds.values()):
            return ()
        if has_movie:
            raise HeifError("it has a picture in tiles beside its video; convert the picture to JPEG")
        return _pictures(meta, lambda place, length: _read_at(file, place, length))
    except (struct.error, IndexError) as error:
        raise HeifError("its description of pictures is damaged") from error


def _pictures(meta: _Meta, read: Callable[[int, int], bytes]) -> tuple[StillPicture, ...]:
    tiles = {to for source in meta.kinds if meta.kinds[source] == b"grid" for to in meta.targets(b"dimg", source)}
    helpers = meta.sources(b"thmb") | meta.sources(b"auxl") | tiles
    primary = meta.primary
    for item, kind in meta.kinds.items():
        if kind != b"tmap":
            continue
        # A tone map shows its first input with another range of brightness; its second input is the gain map.
        inputs = meta.targets(b"dimg", item)
        helpers |= {item, *inputs[1:]}
        if primary == item and inputs:
            primary = inputs[0]
    if primary is None or primary not in meta.kinds:
        raise HeifError("it names no picture to show")
    shown = [item for item, kind in meta.kinds.items() if kind in _CODED | _DERIVED | {b"grid"} and item not in helpers]
    ordered = [primary, *(item for item in shown if item != primary)]
    return tuple(_picture(meta, item, read) for item in ordered)


def _picture(meta: _Meta, item: int, read: Callable[[int, int], bytes]) -> StillPicture:
    kind = meta.kinds[item]
    if kind in _CODED:
        return StillPicture(item)
    if kind != b"grid":
        raise HeifError(f"its picture is composed by {kind.decode('ascii', 'replace')!r} items; convert it to JPEG")
    if item not in meta.places:
        raise HeifError("it does not say where the description of its tiles is")
    method, place, length = meta.places[item]
    length = min(length, _MOST_GRID_BYTES)
    data = meta.inside[place : place + length] if method == 1 else read(place, length)
    large = data[1] & 1
    rows, columns = data[2] + 1, data[3] + 1
    width, height = struct.unpack_from(">II" if large else ">HH", data, 4)
    tiles = meta.targets(b"dimg", item)
    if len(tiles) != rows * columns or not width or not height:
        raise HeifError(f"its picture needs {rows} x {columns} tiles and names {len(tiles)}")
    if any(meta.kinds.get(tile) not in _CODED for tile in tiles):
        raise HeifError("its tiles are not coded pictures; convert it to JPEG")
    return StillPicture(item, TileGrid(rows, columns, width, height, tiles), _orientation(meta, item))


def _orientation(meta: _Meta, item: int) -> Orientation:
    out = UPRIGHT
    for index in meta.associations.get(item, ()):
        if not 0 < index <= len(meta.properties):
            continue
        kind, data = meta.properties[index - 1]
        if kind == b"irot":
            out = out.then(quarters_left(data[0] & 3))
        elif kind == b"imir":
            out = out.then(MIRRORED if data[0] & 1 else FLIPPED)
    return out


def _meta_box(file: BinaryIO) -> tuple[bytes, bool] | None:
    """Return the file's meta box, and whether it has a movie beside it; None when it has no meta box."""
    meta: bytes | None = None
    movie = False
    place = 0
    for number in range(_MOST_TOP_BOXES):
        head = _read_at(file, place, 16)
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
            meta = _read_at(file, place + start, min(size - start, _MOST_META_BYTES) if size else _MOST_META_BYTES)
        if size < start:
            break
        place += size
    return None if meta is None else (meta, movie)


def _read_at(file: BinaryIO, place: int, length: int) -> bytes:
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


def _parsed(data: bytes) -> _Meta | None:
    """Return what a meta box says; None when it describes no pictures."""
    meta = _Meta()
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


def _read_items(meta: _Meta, body: bytes) -> None:
    for kind, entry in _boxes(body[6:] if body[0] == 0 else body[8:]):
        if kind != b"infe" or entry[0] < 2:
            continue
        size = 2 if entry[0] == 2 else 4
        item, after = int.from_bytes(entry[4 : 4 + size], "big"), 4 + size
        meta.kinds[item] = entry[after + 2 : after + 6]
        _check_count(meta.kinds)


def _read_places(meta: _Meta, body: bytes) -> None:
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


def _read_references(meta: _Meta, body: bytes) -> None:
    size = 4 if body[0] else 2
    for kind, entry in _boxes(body[4:]):
        reader = _Reader(entry)
        source = reader.number(size)
        targets = tuple(reader.number(size) for _ in range(reader.number(2)))
        meta.references.append((kind, source, targets))
        _check_count(meta.references)


def _read_properties(meta: _Meta, body: bytes) -> None:
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
