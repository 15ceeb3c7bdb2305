"""Pictures that are too large for memory, and failures that no verdict's exit code may stand for."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import heif_files as heif
import numpy as np
import pytest
import scan_clips as clips
from PIL import Image
from scan_command import run_scan, scan_json
from typer.testing import CliRunner

from ds_actors.cli import app
from ds_actors.cli._crash import CRASHED
from ds_actors.cli._pixels import MOST_PIXELS, too_large

MEASURED = """
import pathlib, sys
from ds_actors.cli import app
try:
    app(sys.argv[1:])
finally:
    status = pathlib.Path("/proc/self/status").read_text()
    print(status.partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


def write_grey_png(path: Path, width: int, height: int) -> Path:
    """Write a black PNG of any size, row by row."""
    packer = zlib.compressobj(1)
    row = bytes(width + 1)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    parts = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    """16,000 x 16,000 pixels in a small file take no memory; one line, exit 3."""
    path = write_grey_png(tmp_path / "big.png", 16_000, 16_000)
    assert path.stat().st_size < 2_000_000
    command = [sys.executable, "-c", MEASURED, "scan", "--sandbox", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    line, used = done.stderr.splitlines()
    assert done.returncode == 3
    assert line.endswith("big.png: its pictures have no valid size, or more than 64 megapixels; make them smaller")
    assert int(used) < 200_000, "kilobytes"


@pytest.mark.slow
@pytest.mark.parametrize(("orientation", "limit"), [(1, 600_000), (6, 900_000)])
def test_the_largest_picture_has_a_bound_of_memory(tmp_path: Path, orientation: int, limit: int) -> None:
    """64 megapixels in full colour, judged by the sandbox in the same process: turning it takes a further copy."""
    path = tmp_path / "largest.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (8_000, 8_000), "red").save(path, exif=exif, subsampling=0)
    options = ["--sandbox", "--thumbnails", "--report", str(tmp_path / "r.html")]
    command = [sys.executable, "-c", MEASURED, "scan", *options, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    *_, used = done.stderr.splitlines()  # the lines before name the report
    assert done.returncode == 0
    assert 300_000 < int(used) < limit, "kilobytes, with the interpreter's own"


def test_a_size_that_the_container_states_is_named(tmp_path: Path) -> None:
    """Where it is known without decoding, the line says it."""
    path = tmp_path / "a.avif"
    tile = heif.coded(10, np.zeros((64, 64, 3), np.uint8), "avif", scratch=tmp_path)
    heif.write_heif(path, [tile, heif.grid(1, 1, 1, (20_000, 10))], primary=1, references=[(b"dimg", 1, [10])])
    done = scan_json(path)
    assert done.code == 3
    assert "20,000 x 10 pixels, and the limit is 64 megapixels and 16,384 pixels a side; make them smaller" in done.err


@pytest.mark.parametrize(
    ("size", "refused"),
    [((8_000, 8_000), False), ((8_000, 8_001), True), ((16_384, 2), False), ((16_385, 2), True), ((0, 0), False)],
)
def test_the_limit_is_of_pixels_and_of_sides(size: tuple[int, int], refused: bool) -> None:
    """64 megapixels, and 16,384 a side."""
    assert MOST_PIXELS == 64_000_000
    assert bool(too_large(*size)) is refused


def test_a_file_that_memory_has_no_room_for_ends_no_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets one line and exit code 3; the next file is judged."""
    large, small = (clips.make(tmp_path / name, clips.steady(1)) for name in ("large.mp4", "small.mp4"))
    taken: list[int] = []

    def no_room(*_arguments: object) -> object:
        taken.append(1)
        if len(taken) == 1:
            raise MemoryError
        return np.zeros((96, 128, 3), np.uint8)

    monkeypatch.setattr("ds_actors.cli._scan.decode.upright", no_room)
    done = scan_json("--fail-on", "suspicious", large, small)
    assert [row["outcome"] for row in done.rows] == ["bad_input", "complete"]
    assert done.code == 3
    assert done.err.endswith("there is not enough memory for it\n")


def test_an_unknown_error_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback and 70, where Python's own code would say that --fail-on was reached."""

    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("ds_actors.cli._scan.console._table", broken)
    path = clips.make(tmp_path / "a.mp4", clips.steady(1))
    done = CliRunner().invoke(app, ["scan", "--sandbox", "--fail-on", "suspicious", str(path)])
    assert done.exit_code == CRASHED
    assert "RuntimeError: a fault" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("please report it with the traceback above")


def test_wrong_usage_and_help_are_no_crash(tmp_path: Path) -> None:
    """2 and 0, as ever."""
    assert CliRunner().invoke(app, ["scan", "--no-such-option"]).exit_code == 2
    assert CliRunner().invoke(app, ["scan", "--help"]).exit_code == 0
    assert run_scan("--fps", "0", tmp_path / "a.mp4").code == 2
