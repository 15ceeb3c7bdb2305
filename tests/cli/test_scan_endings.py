"""Recordings that were cut off, where FFmpeg reads to the cut and says nothing."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import io
import random
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import scan_clips as clips
from av.container import OutputContainer
from PIL import Image
from scan_clips import TICKS
from scan_command import scan_json

from ds_actors.cli._endings import missing_end


class Pipe:
    """Written to from front to back only, as a pipe is."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def write_noise(container: OutputContainer, codec: str) -> None:
    """Write twelve seconds with a key frame a second."""
    stream: Any = container.add_stream(codec, rate=25)
    stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
    stream.codec_context.time_base, stream.codec_context.gop_size = TICKS, 10
    for time in clips.steady(12):
        frame = av.VideoFrame.from_ndarray(clips.noise(time), format="rgb24")
        frame.pts, frame.time_base = time, TICKS
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def recorded(kind: str, codec: str, options: dict[str, str] | None = None) -> bytes:
    """Return what an encoder writes into a pipe."""
    pipe = Pipe()
    with av.open(pipe, "w", format=kind, options=options or {}) as container:
        write_noise(container, codec)
    return bytes(pipe.data)


def judged(data: bytes) -> str:
    return missing_end(io.BytesIO(data), len(data))


FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
PIPED = {
    "a.webm": ("webm", "libvpx", {}),
    "a.mkv": ("matroska", "libx264", {}),
    "live.mkv": ("matroska", "libx264", {"live": "1"}),
    "a.mp4": ("mp4", "libx264", FRAGMENTS),
    "a.ogg": ("ogg", "libvpx", {}),
}


@pytest.mark.parametrize("name", PIPED)
def test_a_piped_recording_cut_anywhere_inside_is_truncated(tmp_path: Path, name: str) -> None:
    """Whole, it is complete; cut in the middle of whatever it is made of, it is truncated, with exit code 4."""
    data = recorded(*PIPED[name])
    path = tmp_path / name
    path.write_bytes(data)
    whole = scan_json(path)
    assert (whole.code, whole.rows[0]["outcome"]) == (0, "complete")
    path.write_bytes(data[: len(data) * 6 // 10])
    cut = scan_json(path)
    assert (cut.code, cut.rows[0]["outcome"], cut.rows[0]["truncated"]) == (4, "truncated", True)
    assert cut.rows[0]["due"] == cut.rows[0]["answered"] > 5


@pytest.mark.parametrize("name", PIPED)
def test_almost_every_place_of_a_cut_shows(name: str) -> None:
    """Only exactly between two parts it does not, which chance does not meet."""
    data = recorded(*PIPED[name])
    chance = random.Random(3)
    places = [chance.randrange(len(data) // 4, len(data) - 50) for _ in range(200)]
    assert judged(data) == ""
    assert sum(not judged(data[:place]) for place in places) <= 2


def test_the_last_second_is_missed_too(tmp_path: Path) -> None:
    """In files that state their length, less than two seconds may be missing: the structure still shows it."""
    for name, codec in (("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.avi", "mpeg4")):
        whole = clips.make(tmp_path / name, clips.steady(12), clips.noise, codec)
        path = tmp_path / f"cut-{name}"
        path.write_bytes(whole.read_bytes()[: clips.packet_end(whole, 115)])
        assert (scan_json(whole).code, scan_json(path).code) == (0, 4), name


def top_boxes(data: bytes) -> list[tuple[bytes, int, int]]:
    """Return kind, beginning and end of an MP4's boxes."""
    boxes: list[tuple[bytes, int, int]] = []
    place = 0
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        boxes.append((kind, place, place + length))
        place += length
    return boxes


def test_a_fragment_without_its_data_is_truncated() -> None:
    """Cut between the description of a fragment and its pictures."""
    data = recorded("mp4", "libx264", FRAGMENTS)
    end = [end for kind, _begin, end in top_boxes(data) if kind == b"moof"][4]
    assert judged(data[:end]) == "its last fragment has no data"


def test_an_index_of_segments_tells_where_fragments_are_missing(tmp_path: Path) -> None:
    """Also where the cut is exactly between two fragments."""
    path = tmp_path / "a.mp4"
    flags = {"movflags": "dash+frag_keyframe+empty_moov+global_sidx"}
    with av.open(str(path), "w", options=flags) as container:
        write_noise(container, "libx264")
    data = path.read_bytes()
    ends = [end for kind, _begin, end in top_boxes(data) if kind == b"mdat"]
    assert judged(data) == ""
    assert judged(data[: ends[-2]]) == "its index lists more fragments"


def test_between_two_fragments_without_an_index_it_cannot_be_known() -> None:
    """The page says so."""
    data = recorded("mp4", "libx264", FRAGMENTS)
    ends = [end for kind, _begin, end in top_boxes(data) if kind == b"mdat"]
    assert judged(data[: ends[-2]]) == ""


@pytest.mark.parametrize("suffix", ["jpg", "gif"])
def test_a_cut_photo_is_truncated(tmp_path: Path, suffix: str) -> None:
    """Its decoder fills the rest with grey; a file with something appended is whole."""
    out = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, {"jpg": "JPEG", "gif": "GIF"}[suffix])
    data = out.getvalue()
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(data)
    assert scan_json(path).code == 0
    path.write_bytes(data[: len(data) * 2 // 3])
    done = scan_json(path)
    assert (done.code, done.rows[0]["outcome"]) == (4, "truncated")
    assert done.err.endswith("it has no end marker\n")


def test_a_photo_with_something_appended_is_whole() -> None:
    """The end marker stands before it, and one in a preview does not count."""
    out, preview = io.BytesIO(), io.BytesIO()
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99, 3), dtype=np.uint8))
    image.save(preview, "JPEG")
    exif = Image.Exif()
    exif[0x927C] = preview.getvalue()
    image.save(out, "JPEG", exif=exif)
    assert judged(out.getvalue() + b"appended" * 1_000) == ""
    assert judged(out.getvalue()[:-5]) == "it has no end marker"


@pytest.mark.parametrize("name", PIPED)
def test_hostile_structures_end_nothing(name: str) -> None:
    """Whatever the bytes, there is an answer, and soon."""
    data = recorded(*PIPED[name])[:20_000]
    chance = random.Random(7)
    for _ in range(500):
        changed = bytearray(data)
        for _change in range(chance.randint(1, 8)):
            changed[chance.randrange(len(changed))] = chance.choice([0, 1, 0x7F, 0xFF, chance.randrange(256)])
        assert isinstance(judged(bytes(changed)), str)


def test_what_is_no_known_container_is_not_judged() -> None:
    """An empty file is not either, or one that is only a head."""
    for data in (b"", b"x" * 100, b"\x1a\x45\xdf\xa3", b"OggS", b"RIFF", b"\xff\xd8\xff", bytes(200)):
        assert isinstance(judged(data), str)
    assert judged(b"x" * 100) == ""
