"""A video file as the demo plays it."""

from __future__ import annotations

import struct
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import pytest
import scan_clips as clips
import trio
from numpy.typing import NDArray

from ds_actors.cli._demo.player import Player, fitted
from ds_actors.cli._video import BadInput
from ds_actors.cli.clips import Clip
from ds_actors.detection.events import Level, Sample
from ds_actors.detection.tracks.encoding import encode_jpeg
from ds_actors.sandbox import judge_marker


@pytest.mark.parametrize("size", [(640, 360), (1920, 1080), (1080, 1920), (37, 91), (2, 2), (4000, 6), (6, 4000)])
def test_any_size_fits_the_picture(size: tuple[int, int]) -> None:
    """Whatever its size, it is centred on black, as large as fits."""
    frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 200, np.uint8), format="rgb24")
    picture = fitted(frame)
    assert picture.shape == (360, 640, 3)
    assert picture[180, 320].min() > 150
    lit = (picture.min(axis=2) > 100).any(axis=0).sum(), (picture.min(axis=2) > 100).any(axis=1).sum()
    assert lit[0] >= 638 or lit[1] >= 358


def test_a_rotated_video_stands_upright(tmp_path: Path) -> None:
    """A quarter turn in the container's matrix is made, as a phone's portrait video needs it."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(1), left_to_right)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    unit = 1 << 16
    data[matrix : matrix + 36] = struct.pack(">9i", 0, unit, 0, -unit, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    with closing(Player(path)) as player:
        picture = player.at(0)
    # Turned clockwise, what was on the left is on top; 128 x 96 became 270 x 360 between black bars.
    assert picture[5, 320].mean() < 20
    assert picture[-5, 320].mean() > 110
    assert picture[180, :180].max() == picture[180, -180:].max() == 0


def test_it_plays_in_time_and_begins_again_at_its_end(tmp_path: Path) -> None:
    """A picture asked for later is a later one; past the end comes the first."""
    player = Player(clips.make(tmp_path / "a.mkv", clips.steady(3)))
    seen = [int(player.at(10 + second).max()) for second in (0.0, 1.1, 2.1, 3.1, 4.3)]
    player.close()
    assert seen == pytest.approx([20, 40, 60, 20, 40], abs=3)


def test_a_closed_player_opens_the_file_again(tmp_path: Path) -> None:
    """A track that is started anew asks the same source once more."""
    player = Player(clips.make(tmp_path / "a.mkv", clips.steady(1)))
    first = player.at(0)
    player.close()
    assert np.array_equal(player.at(5), first)
    player.close()


def test_damage_ends_no_demo(tmp_path: Path) -> None:
    """Of a file that was cut off, what is there is played again and again."""
    player = Player(clips.cut(clips.make(tmp_path / "a.mkv", clips.steady(3), clips.noise)))
    for second in range(8):
        assert player.at(second).shape == (360, 640, 3)
    player.close()


def test_the_patch_is_found_on_any_video(tmp_path: Path) -> None:
    """Tampering with a video's clip is an alert to the stand-in."""
    clip = Clip(Player(clips.make(tmp_path / "a.mp4", clips.steady(1))))

    async def judged() -> Level:
        sample = Sample("alice", "TR", 0, encode_jpeg(await clip.capture()))
        return judge_marker(sample, 0.0).level

    async def main() -> None:
        assert await judged() is Level.CLEAR
        clip.painted = 0.12
        assert await judged() is Level.ALERT
        await clip.aclose()

    trio.run(main)


def test_a_playlist_reaches_no_other_file(tmp_path: Path) -> None:
    """No network, and no file but the one that was named."""
    clips.make(tmp_path / "other.ts", clips.steady(1))
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(BadInput):
        Player(path).at(0)


def left_to_right(_milliseconds: int) -> NDArray[np.uint8]:
    """Return a picture that is black on the left and grey on the right."""
    row = np.arange(128, dtype=np.uint8)
    return np.broadcast_to(row[None, :, None], (96, 128, 3)).copy()
