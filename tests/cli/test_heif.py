"""HEIC and AVIF pictures that are made of tiles, as every phone stores them."""

from __future__ import annotations

import io
import random
import struct
from contextlib import closing
from pathlib import Path

import heif_files as heif
import numpy as np
import pytest
from heif_files import Item
from numpy.typing import NDArray
from PIL import Image, ImageOps, features
from scan_clips import Picture
from scan_command import scan_json

from ds_actors.cli._demo.player import Player
from ds_actors.cli._heif import still_pictures
from ds_actors.cli._heif_boxes import HeifError
from ds_actors.cli._scan.decode import Video
from ds_actors.cli._scan.segments import exact
from ds_actors.cli._video import BadInput
from ds_actors.sandbox import marker_share, paint_marker

TILE = 64
ROWS, COLUMNS = 2, 3
SIZE = (170, 120)
"""Width and height of the whole picture: the last tiles exceed it."""
THUMBNAIL, DEPTH, GRID, FIRST = 2, 3, 1, 10


def landscape() -> Picture:
    """Return a smooth picture in which no two parts are alike."""
    y, x = np.mgrid[0 : ROWS * TILE, 0 : COLUMNS * TILE]
    return np.stack([x, 2 * y, 200 - x], axis=2).astype(np.uint8)


def tiles(picture: Picture, suffix: str, scratch: Path) -> list[Item]:
    return [
        heif.coded(
            FIRST + row * COLUMNS + column,
            np.ascontiguousarray(picture[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]),
            suffix,
            scratch=scratch,
        )
        for row in range(ROWS)
        for column in range(COLUMNS)
    ]


def tile_reference(source: int = GRID) -> tuple[bytes, int, list[int]]:
    return b"dimg", source, list(range(FIRST, FIRST + ROWS * COLUMNS))


def photo(path: Path, picture: Picture, *properties: bytes, helper: Picture | None = None) -> Path:
    """Write a picture in tiles, with a thumbnail and a depth map that show another one if it is given."""
    suffix = path.suffix[1:]
    small = np.ascontiguousarray((picture if helper is None else helper)[:TILE, :TILE])
    depth = heif.auxiliary_property("urn:mpeg:mpegB:cicp:systems:auxiliary:depth")
    items = [
        *tiles(picture, suffix, path.parent),
        heif.coded(THUMBNAIL, small, suffix, scratch=path.parent),
        heif.coded(DEPTH, small, suffix, depth, scratch=path.parent),
        heif.grid(GRID, ROWS, COLUMNS, SIZE, *properties),
    ]
    references = [tile_reference(), (b"thmb", THUMBNAIL, [GRID]), (b"auxl", DEPTH, [GRID])]
    return heif.write_heif(path, items, primary=GRID, references=references)


def sent(path: Path) -> NDArray[np.int64]:
    """Return the pixels of the one sample that a file makes."""
    video = Video(path, exact(1.0))
    try:
        video.open()
        due = video.step()
        assert due is not None
        return np.asarray(Image.open(io.BytesIO(due.jpeg)).convert("RGB")).astype(np.int64)
    finally:
        video.close()


@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_the_whole_picture_is_sent(tmp_path: Path, suffix: str) -> None:
    """All tiles are in their places, and what exceeds the picture's size is cut off."""
    pixels = sent(photo(tmp_path / f"a.{suffix}", landscape()))
    expected = landscape()[: SIZE[1], : SIZE[0]]
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).mean() < 4


@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_a_fake_outside_the_first_tile_is_found(tmp_path: Path, suffix: str) -> None:
    """One result for the file, with the size of the whole picture; its thumbnail and depth map are not judged."""
    painted = np.full((ROWS * TILE, COLUMNS * TILE, 3), 128, np.uint8)
    painted[TILE:, TILE:] = paint_marker(painted[TILE:, TILE:], 0.9)
    done = scan_json(photo(tmp_path / f"a.{suffix}", painted))
    (row,) = done.rows
    assert (row["level"], row["outcome"], done.code) == ("alert", "complete", 0)
    assert (row["stream"]["width"], row["stream"]["height"], row["video_streams"]) == (*SIZE, 1)
    assert len(row["auxiliary"]) == 2


def test_thumbnails_and_depth_maps_are_no_pictures(tmp_path: Path) -> None:
    """They are not shown by themselves, so that a patch in them is no alert."""
    grey = np.full((ROWS * TILE, COLUMNS * TILE, 3), 128, np.uint8)
    (row,) = scan_json(photo(tmp_path / "a.heic", grey, helper=paint_marker(grey, 0.9))).rows
    assert (row["level"], row["due"]) == ("clear", 1)


@pytest.mark.parametrize("suffix", ["heic", "avif"])
@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirror", [None, 0, 1])
def test_tiles_are_turned_and_mirrored_as_a_whole(tmp_path: Path, turns: int, mirror: int | None, suffix: str) -> None:
    """First the rotation, then the mirror; Pillow's own decoder of AVIF says the same."""
    properties = [heif.box(b"irot", bytes([turns]))]
    expected = np.rot90(landscape()[: SIZE[1], : SIZE[0]], turns)
    if mirror is not None:
        properties.append(heif.box(b"imir", bytes([mirror])))
        expected = expected[:, ::-1] if mirror else expected[::-1]
    path = photo(tmp_path / f"a.{suffix}", landscape(), *properties)
    pixels = sent(path)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).mean() < 4
    if suffix == "avif" and features.check("avif"):
        with Image.open(path) as opened:
            oracle = np.asarray(ImageOps.exif_transpose(opened).convert("RGB")).astype(np.int64)
        assert pixels.shape == oracle.shape
        assert np.abs(pixels - oracle).mean() < 4


def test_the_description_of_the_grid_may_lie_among_the_data(tmp_path: Path) -> None:
    """In mdat as well as in the meta box."""
    grid = heif.grid(GRID, ROWS, COLUMNS, SIZE, inside=False)
    path = tmp_path / "a.heic"
    heif.write_heif(path, [*tiles(landscape(), "heic", tmp_path), grid], primary=GRID, references=[tile_reference()])
    assert sent(path).shape == (SIZE[1], SIZE[0], 3)


def test_every_picture_of_a_file_is_scanned(tmp_path: Path) -> None:
    """A second picture beside the primary one has a result of its own."""
    grey = np.full((TILE, TILE, 3), 128, np.uint8)
    items = [
        heif.coded(number, picture, "heic", scratch=tmp_path)
        for number, picture in ((1, grey), (2, paint_marker(grey, 0.5)))
    ]
    rows = scan_json(heif.write_heif(tmp_path / "a.heic", items, primary=1)).rows
    assert [row["level"] for row in rows] == ["clear", "alert"]


def test_a_tone_map_shows_its_base(tmp_path: Path) -> None:
    """The gain map beside it is no picture of its own."""
    grey = np.full((TILE, TILE, 3), 128, np.uint8)
    base = heif.coded(1, paint_marker(grey, 0.5), "heic", scratch=tmp_path)
    gain = heif.coded(2, grey, "heic", scratch=tmp_path)
    tone_map = Item(3, b"tmap", b"\0" * 8)
    path = heif.write_heif(tmp_path / "a.heic", [base, gain, tone_map], primary=3, references=[(b"dimg", 3, [1, 2])])
    (row,) = scan_json(path).rows
    assert row["level"] == "alert"


def test_a_picture_composed_in_another_way_is_refused(tmp_path: Path) -> None:
    """One line says what to do, and no part of the picture is judged."""
    grey = np.full((TILE, TILE, 3), 128, np.uint8)
    parts = [heif.coded(number, grey, "heic", scratch=tmp_path) for number in (1, 2)]
    overlay = Item(3, b"iovl", b"\0" * 24)
    path = heif.write_heif(tmp_path / "a.heic", [*parts, overlay], primary=3, references=[(b"dimg", 3, [1, 2])])
    done = scan_json(path)
    assert (done.code, [row["outcome"] for row in done.rows]) == (3, ["bad_input"])
    assert done.err == f"ds-actors scan: {path}: its picture is composed by 'iovl' items; convert it to JPEG\n"


def test_missing_tiles_refuse_the_file(tmp_path: Path) -> None:
    """A grid that names too few, and a tile whose data is cut off."""
    path = tmp_path / "few.heic"
    items = [*tiles(landscape(), "heic", tmp_path), heif.grid(GRID, ROWS, COLUMNS, SIZE)]
    heif.write_heif(path, items, primary=GRID, references=[(b"dimg", GRID, [FIRST])])
    with pytest.raises(BadInput, match="needs 2 x 3 tiles and names 1"):
        sent(path)
    whole = photo(tmp_path / "whole.heic", landscape())
    cut = tmp_path / "cut.heic"
    cut.write_bytes(whole.read_bytes()[: -len(whole.read_bytes()) // 2])
    with pytest.raises(BadInput, match=r"tiles are missing|is damaged|could be decoded"):
        sent(cut)


def test_the_demo_shows_the_whole_picture(tmp_path: Path) -> None:
    """A patch on the right half is seen."""
    painted = np.full((ROWS * TILE, COLUMNS * TILE, 3), 128, np.uint8)
    painted[TILE:, TILE:] = paint_marker(painted[TILE:, TILE:], 0.9)
    with closing(Player(photo(tmp_path / "a.heic", painted))) as player:
        assert marker_share(player.at(0)) > 0.1


def test_hostile_boxes_are_an_error_and_nothing_else(tmp_path: Path) -> None:
    """Any change of bytes in the description gives pictures, none, or a HeifError."""
    data = photo(tmp_path / "a.avif", landscape(), heif.box(b"irot", b"\1")).read_bytes()
    end = data.index(b"mdat")
    chance = random.Random(5)
    refused = 0
    for _ in range(3_000):
        changed = bytearray(data)
        for _change in range(chance.randint(1, 4)):
            changed[chance.randrange(24, end)] = chance.choice([0, 1, 0x7F, 0xFF, chance.randrange(256)])
        try:
            still_pictures(io.BytesIO(changed))
        except HeifError:
            refused += 1
    assert refused > 100


def test_counts_without_data_take_no_time() -> None:
    """Billions of items, parts and references that are not there end at the first one that is missing."""
    location = heif.full(
        b"iloc", b"\0\0" + struct.pack(">H", 0xFFFF) + struct.pack(">HHHH", 1, 0, 0, 0xFFFF), version=1
    )
    many = heif.full(b"ipma", struct.pack(">I", 0xFFFFFFFF))
    for part in (location, heif.box(b"iprp", many), heif.full(b"iref", heif.box(b"dimg", b"\0\1\xff\xff"))):
        meta = heif.full(b"meta", heif.full(b"hdlr", struct.pack(">I4s12x", 0, b"pict")), part)
        with pytest.raises(HeifError, match="damaged"):
            still_pictures(io.BytesIO(heif.box(b"ftyp", b"heic") + meta))


def test_too_many_items_are_refused() -> None:
    """The list of items is bounded."""
    entry = heif.full(b"infe", struct.pack(">HH", 1, 0), b"hvc1", b"\0", version=2)
    entries = b"".join(entry[:12] + struct.pack(">H", number) + entry[14:] for number in range(5_000))
    meta = heif.full(b"meta", heif.full(b"iinf", struct.pack(">H", 5_000), entries))
    with pytest.raises(HeifError, match="more than 4,096"):
        still_pictures(io.BytesIO(heif.box(b"ftyp", b"heic") + meta))


def test_a_video_has_no_still_pictures(tmp_path: Path) -> None:
    """A file of any other format has none either, and reading it moves nothing."""
    file = io.BytesIO(b"\x1a\x45\xdf\xa3" * 10)
    file.seek(3)
    assert still_pictures(file) == ()
    assert file.tell() == 3
