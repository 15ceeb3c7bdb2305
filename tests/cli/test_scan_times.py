"""The seconds that a scan reports are those that a player shows."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from scan_clips import TICKS
from scan_command import scan_json
from scan_streams import clean, painted

FAKE_FROM = 202_000
RECORDING = [*range(0, 4_000, 500), *range(94_000, 98_000, 500), *range(198_000, 205_000, 500)]
"""Milliseconds of a screen recording's pictures: the screen stands still for 90 s and for 100 s."""
RATE = 8_000
"""Sound samples a second."""


def write_recording(path: Path, *, sound: bool, begin: int = 0) -> Path:
    """Write the recording, with a fake from second 202 on; its container's time begins at so many milliseconds."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        video.codec_context.time_base = TICKS
        audio: Any = container.add_stream("aac", rate=RATE, layout="mono") if sound else None
        heard = {second * 1_000 for second in range(206)} if sound else set[int]()
        for time in sorted(heard | set(RECORDING)):
            if time in heard:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, RATE), np.float32), format="fltp", layout="mono")
                silence.sample_rate, silence.time_base = RATE, Fraction(1, RATE)
                silence.pts = (begin + time) * RATE // 1_000
                container.mux(audio.encode(silence))
            if time in RECORDING:
                pixels = painted(time) if time >= FAKE_FROM else clean(time)
                picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                picture.pts, picture.time_base = begin + time, TICKS
                container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if sound:
            container.mux(audio.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "sound", "begin"),
    [
        ("a.mp4", True, 0),
        ("a.mp4", False, 0),
        ("a.mkv", True, 0),
        ("a.mkv", True, 600_000),
        ("a.ts", True, 0),
        ("a.ts", True, 600_000),
    ],
)
def test_a_fake_after_still_stretches_has_its_second(tmp_path: Path, name: str, sound: bool, begin: int) -> None:
    """Sound, or the stated duration of a picture, says that the time of a still stretch passed."""
    path = write_recording(tmp_path / name, sound=sound, begin=begin)
    with av.open(str(path)) as container:
        start = (container.start_time or 0) / av.time_base
    done = scan_json(path)
    (row,) = done.rows
    clear, alert = row["segments"]
    # The encoder of the sound begins a fraction of a second before the first picture, and so does the player.
    assert alert["from"] == pytest.approx(202, abs=0.2)
    assert (clear["level"], clear["from"], alert["level"]) == ("clear", 0, "alert")
    assert row["due"] == row["answered"] == 205
    assert row["origin"] == pytest.approx(start if name == "a.ts" or begin else 0, abs=0.001)
    assert alert["from"] + row["origin"] == pytest.approx(begin / 1_000 + 202, abs=0.5)
    assert (done.code, done.err) == (0, "")


def test_a_still_stretch_that_nothing_accounts_for_is_a_jump(tmp_path: Path) -> None:
    """Matroska states no durations here, and there is no sound: 205 s become the 14 s with pictures."""
    (row,) = scan_json(write_recording(tmp_path / "a.mkv", sound=False)).rows
    assert row["due"] == 14
    assert row["segments"][1]["from"] == pytest.approx(11, abs=0.1)
