"""Files to samples, against the plainest decoding loop."""

from __future__ import annotations

import io
import random
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import scan_clips as clips
from PIL import Image

from ds_actors.cli._scan.decode import DueFrame, Video
from ds_actors.cli._scan.segments import exact
from ds_actors.cli._video import BadInput


def read(path: Path, fps: float = 1.0) -> tuple[Video, list[DueFrame]]:
    video = Video(path, exact(fps))
    found: list[DueFrame] = []
    try:
        video.open()
        while not video.ended:
            due = video.step()
            if due is not None:
                found.append(due)
    finally:
        video.close()
    return video, found


def times(found: list[DueFrame]) -> list[float]:
    return [due.seconds for due in found for _ in range(due.count)]


def shown(path: Path) -> list[Fraction]:
    """Return the times of all frames as a player shows them: from the beginning of an MPEG-TS file."""
    frames = clips.decoded(path)
    return [time - frames[0] for time in frames] if path.suffix == ".ts" else frames


def expected(frames: list[Fraction], fps: float) -> list[float]:
    rate = exact(fps)
    grid = (k / rate for k in range(int(rate * max(frames)) + 1))
    return [float(next(time for time in frames if time >= due)) for due in grid]


@pytest.mark.parametrize("fps", [0.3, 1, 2.5, 9.99, 30])
@pytest.mark.parametrize("name", ["a.mp4", "b.mkv", "c.ts"])
def test_sample_k_is_the_first_frame_at_or_after_its_time(tmp_path: Path, name: str, fps: float) -> None:
    """Also with uneven frames, gaps longer than a sample, and a container that does not begin at zero."""
    uneven = sorted(random.Random(7).sample(range(0, 9_000, 10), 60))
    path = clips.make(tmp_path / name, [0, *uneven[1:], 12_340])
    video, found = read(path, fps)
    assert times(found) == expected(shown(path), fps)
    assert video.due == sum(due.count for due in found)
    assert video.truncated == ""


def test_a_file_that_begins_anywhere_counts_from_its_first_picture(tmp_path: Path) -> None:
    """A broadcast cut out at ten minutes owes its two seconds, not the ten minutes before it."""
    path = clips.make(tmp_path / "late.ts", [600_000 + time for time in clips.steady(2)])
    video, found = read(path, 2)
    assert min(clips.decoded(path)) == 600
    assert (video.due, times(found), float(video.last or 0)) == (4, [0.0, 0.5, 1.0, 1.5], 1.9)
    assert video.truncated == ""


def test_a_jump_forward_owes_nothing_for_what_it_skips(tmp_path: Path) -> None:
    """Two seconds, 83 minutes of nothing, two seconds: samples of four seconds."""
    path = clips.make(tmp_path / "jump.mkv", [*clips.steady(2), *(5_000_000 + time for time in clips.steady(2))])
    video, found = read(path)
    # The picture after the jump is one frame's length, by the stated rate of 25, after the one before it.
    assert times(found) == [0.0, 1.0, 2.04, 3.04]
    assert [due.count for due in found] == [1, 1, 1, 1]
    assert video.due == 4


def test_a_gap_of_a_minute_is_no_jump(tmp_path: Path) -> None:
    """A slide that stays for a minute is shown for a minute."""
    video, found = read(clips.make(tmp_path / "slide.mkv", [0, 60_000]))
    assert (video.due, [due.count for due in found]) == (61, [1, 60])


def test_recordings_that_were_joined_owe_samples_of_all(tmp_path: Path) -> None:
    """Each begins anew at its own zero, and time goes on: from 0 to 8.9 s, where the container says 0.2 to 3.1."""
    one = clips.make(tmp_path / "one.ts", clips.steady(3))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() * 3)
    video, found = read(joined)
    assert float(max(clips.decoded(joined))) == 3.1
    assert (video.due, times(found)) == (9, [float(second) for second in range(9)])


def test_the_pictures_are_those_of_their_time(tmp_path: Path) -> None:
    """Each JPEG shows the brightness of its second."""
    _video, found = read(clips.make(tmp_path / "a.mp4", clips.steady(8)))
    means = [float(np.asarray(Image.open(io.BytesIO(due.jpeg)).convert("L")).mean()) for due in found]
    assert len(means) == 8
    assert all(abs(mean - (20 + 20 * second)) < 4 for second, mean in enumerate(means))


@pytest.mark.parametrize("name", ["a.mp4", "b.mkv", "c.ts", "d.avi", "e.webm", "f.flv"])
def test_a_cut_file_is_truncated_and_owes_what_was_decoded(tmp_path: Path, name: str) -> None:
    """Whatever the container says of its length, and where FFmpeg reports no error; only MPEG-TS has no end to miss."""
    codec = {"d.avi": "mpeg4", "e.webm": "libvpx", "f.flv": "flv"}.get(name, "libx264")
    whole = clips.make(tmp_path / name, clips.steady(12), clips.noise, codec)
    assert read(whole)[0].truncated == ""
    path = clips.cut(whole)
    video, found = read(path)
    frames = shown(path)
    assert 2 < max(frames) < 11
    assert video.truncated or name == "c.ts"
    assert video.last == max(frames)
    assert times(found) == expected(frames, 1)


def test_a_file_cut_between_two_packets_is_truncated(tmp_path: Path) -> None:
    """FFmpeg sees a clean end there; MP4's index lists more, also when less than two seconds are missing."""
    whole = clips.make(tmp_path / "a.mp4", clips.steady(12), clips.noise)
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole.read_bytes()[: clips.packet_end(whole, 109)])
    video, found = read(path)
    assert "ends after" in video.truncated
    assert times(found) == expected(clips.decoded(path), 1)


def test_an_avi_cut_between_two_packets_is_truncated(tmp_path: Path) -> None:
    """FFmpeg makes its length up from what is left, so that only the header's count of pictures tells."""
    whole = clips.make(tmp_path / "a.avi", clips.steady(12), clips.noise, "mpeg4")
    path = tmp_path / "cut.avi"
    path.write_bytes(whole.read_bytes()[: clips.packet_end(whole, 60)])
    video, found = read(path)
    assert video.truncated == "it ends after 5.9 s and states 11.9 s"
    assert times(found) == expected(clips.decoded(path), 1)


def test_the_picture_stands_upright(tmp_path: Path) -> None:
    """A phone's display matrix turns the frame."""
    path = clips.make(
        tmp_path / "a.mp4", clips.steady(1), lambda _: np.indices((96, 128))[1].astype(np.uint8)[..., None].repeat(3, 2)
    )
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    _video, found = read(path)
    picture = np.asarray(Image.open(io.BytesIO(found[0].jpeg)).convert("L")).astype(int)
    assert picture.shape == (128, 96)
    # Turned clockwise by a quarter, what was on the left is on top.
    assert picture[5].mean() < 20
    assert picture[-5].mean() > 110


def test_a_playlist_opens_nothing_else(tmp_path: Path) -> None:
    """Neither HLS nor concat reaches the file beside it."""
    clips.make(tmp_path / "other.ts", clips.steady(1))
    for name, text in {
        "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n",
        "list.txt": "ffconcat version 1.0\nfile other.ts\n",
    }.items():
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(BadInput):
            read(path)


def test_stdin_and_pipes_are_no_files(tmp_path: Path) -> None:
    """Opening a pipe could wait forever."""
    with pytest.raises(BadInput, match="not a regular file"):
        read(Path("/dev/null"))
