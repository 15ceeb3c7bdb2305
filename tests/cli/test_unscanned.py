"""Parts of files that FFmpeg does not read: they are reported, not passed over."""

from __future__ import annotations

import io
import random
import struct
from pathlib import Path

import pytest
import scan_clips as clips
from PIL import Image
from scan_command import run_scan, scan_json

from ds_actors.cli._unscanned import MOTION_PHOTO, SECOND_MOVIE, unscanned_parts


def picture(shade: int = 90) -> Image.Image:
    return Image.new("RGB", (64, 64), (shade, shade, shade))


def jpeg() -> bytes:
    out = io.BytesIO()
    picture().save(out, "JPEG")
    return out.getvalue()


def pages(count: int) -> bytes:
    out = io.BytesIO()
    picture().save(out, "TIFF", save_all=True, append_images=[picture(number) for number in range(count - 1)])
    return out.getvalue()


def movie(folder: Path) -> bytes:
    return clips.make(folder / "movie.mp4", clips.steady(1)).read_bytes()


def parts(data: bytes) -> tuple[str, ...]:
    return unscanned_parts(io.BytesIO(data))


def test_a_second_movie_is_reported(tmp_path: Path) -> None:
    """The first is judged, the second has a line and a JSON object of its own, and the exit code is 3."""
    path = tmp_path / "a.mp4"
    path.write_bytes(movie(tmp_path) * 2)
    done = scan_json(path)
    assert [(row["outcome"], row["stream"] is None) for row in done.rows] == [
        ("complete", False),
        ("not_scanned", True),
    ]
    assert (done.code, done.err) == (3, f"ds-actors scan: {path}: not scanned: {SECOND_MOVIE}\n")
    page = tmp_path / "r.html"
    assert run_scan("--report", page, path).code == 3
    assert SECOND_MOVIE in page.read_text("utf-8")


def test_the_video_of_a_motion_photo_is_reported(tmp_path: Path) -> None:
    """It lies behind the end of a JPEG, or in a box of a HEIC file."""
    video = movie(tmp_path)
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg() + video)
    done = scan_json(path)
    assert ([row["outcome"] for row in done.rows], done.code) == (["complete", "not_scanned"], 3)
    assert parts(jpeg() + video) == (MOTION_PHOTO,)
    assert parts(struct.pack(">I4s4s", 12, b"ftyp", b"heic") + struct.pack(">I4s", 8, b"mpvd")) == (MOTION_PHOTO,)


def test_further_pages_are_reported() -> None:
    """Of a TIFF the first page is decoded."""
    assert parts(pages(4)) == ("3 of its 4 pages; save each page as a separate file",)
    assert parts(pages(1)) == ()


def test_a_preview_of_a_page_is_no_page() -> None:
    """Its kind says that it is a smaller version."""
    preview = struct.pack("<HHHIII", 1, 254, 4, 1, 1, 0)
    first = struct.pack("<HHHIII", 1, 254, 4, 1, 0, 8 + 18)
    assert parts(b"II*\0" + struct.pack("<I", 8) + first + preview) == ()
    assert len(parts(b"II*\0" + struct.pack("<I", 8) + first + first[:14] + struct.pack("<I", 0))) == 1


def test_pages_that_lead_in_a_circle_end() -> None:
    """Each is looked at once."""
    circle = b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHIII", 1, 256, 4, 1, 1, 8)
    assert parts(circle) == ()


@pytest.mark.parametrize("kind", ["mp4", "jpg", "png"])
def test_an_ordinary_file_has_nothing_else(tmp_path: Path, kind: str) -> None:
    """A movie, a photo with something appended that is no movie, and any other format."""
    data = {"mp4": movie(tmp_path), "jpg": jpeg() + b"trailer" * 100, "png": b"\x89PNG" + bytes(100)}[kind]
    assert parts(data) == ()


def test_a_stream_that_repeats_its_beginning_is_one_movie(tmp_path: Path) -> None:
    """Fragments that were joined have several descriptions, and all of them are read."""
    data = movie(tmp_path)
    assert parts(data + data + struct.pack(">I4s", 8, b"moof")) == ()


def test_hostile_bytes_end_nothing(tmp_path: Path) -> None:
    """Whatever they are, there is an answer."""
    chance = random.Random(2)
    for data in (movie(tmp_path), jpeg() + movie(tmp_path), pages(3)):
        for _ in range(300):
            changed = bytearray(data)
            for _change in range(chance.randint(1, 8)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            assert isinstance(parts(bytes(changed)), tuple)
