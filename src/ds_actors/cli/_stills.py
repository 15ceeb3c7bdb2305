"""Assembly of the tiles of a HEIC or AVIF picture. These functions block: run them in a worker thread."""

from __future__ import annotations

from typing import cast

import av
import av.container
import numpy as np
from av.error import FFmpegError

from ds_actors.cli._heif import StillPicture, TileGrid
from ds_actors.cli._pixels import Pixels, rgb


class TileError(ValueError):
    """Tiles that do not form a complete picture; the message is one line with the reason."""


def assembled(container: av.container.InputContainer, picture: StillPicture) -> av.VideoFrame:
    """Return the picture of a grid as a viewer shows it: upright, and cropped to its stated size.

    Raises:
        TileError: when a tile is missing, cannot be decoded, or does not fit.
    """
    grid = picture.grid
    assert grid is not None
    canvas = np.zeros((grid.height, grid.width, 3), np.uint8)
    size: tuple[int, int] | None = None
    placed: set[int] = set()
    wanted = set(grid.tiles)
    for packet in container.demux():
        tile = packet.stream.id
        if tile not in wanted or tile in placed:
            continue
        try:
            frames = cast("list[av.VideoFrame]", packet.decode())
        except FFmpegError as error:
            raise TileError("one of its tiles is damaged") from error
        for frame in frames[:1]:
            size = size or (frame.width, frame.height)
            if (frame.width, frame.height) != size:
                raise TileError("its tiles differ in size")
            _place(canvas, grid, tile, frame)
            placed.add(tile)
    if len(placed) < len(wanted):
        raise TileError(f"{len(wanted) - len(placed)} of its {len(wanted)} tiles are missing")
    assert size is not None
    if size[0] * grid.columns < grid.width or size[1] * grid.rows < grid.height:
        raise TileError("its tiles do not cover it")
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.orientation.apply(canvas)), format="rgb24")


def _place(canvas: Pixels, grid: TileGrid, tile: int, frame: av.VideoFrame) -> None:
    pixels = rgb(frame)
    for number in (number for number, item in enumerate(grid.tiles) if item == tile):
        row, column = divmod(number, grid.columns)
        top, left = row * frame.height, column * frame.width
        place = canvas[top : top + frame.height, left : left + frame.width]
        place[...] = pixels[: place.shape[0], : place.shape[1]]
