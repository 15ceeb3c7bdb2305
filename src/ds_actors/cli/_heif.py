"""The pictures of a HEIC or AVIF file according to its meta box: single items, and grids of tiles.

FFmpeg provides each coded item as a video stream and leaves the assembly of tiles to its caller.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO, Final

from attrs import frozen

from ds_actors.cli._heif_boxes import HeifError, MetaBox, find_meta_box, parse_meta_box, read_at
from ds_actors.cli._orientation import FLIPPED, MIRRORED, UPRIGHT, Orientation, quarters_left

_MOST_GRID_BYTES: Final = 64
_CODED: Final = frozenset({b"hvc1", b"av01", b"jpeg", b"avc1", b"j2k1", b"vvc1", b"evc1", b"lhv1", b"unci"})
_DERIVED: Final = frozenset({b"iovl", b"iden", b"tmap"})


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


def still_pictures(file: BinaryIO) -> tuple[StillPicture, ...]:
    """Return the pictures of an ISO-BMFF file that is a still image, the primary one first; none for any other file.

    Thumbnails, alpha, depth and gain maps are no pictures of their own, and neither are tiles.

    Raises:
        HeifError: for a picture that is composed in another way than as a grid, or a box that makes no sense.
    """
    found = find_meta_box(file)
    if found is None:
        return ()
    data, has_movie = found
    try:
        meta = parse_meta_box(data)
        if meta is None or (has_movie and b"grid" not in meta.kinds.values()):
            return ()
        if has_movie:
            raise HeifError("it has a picture in tiles beside its video; convert the picture to JPEG")
        return _pictures(meta, lambda place, length: read_at(file, place, length))
    except (struct.error, IndexError) as error:
        raise HeifError("its description of pictures is damaged") from error


def _pictures(meta: MetaBox, read: Callable[[int, int], bytes]) -> tuple[StillPicture, ...]:
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


def _picture(meta: MetaBox, item: int, read: Callable[[int, int], bytes]) -> StillPicture:
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


def _orientation(meta: MetaBox, item: int) -> Orientation:
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
