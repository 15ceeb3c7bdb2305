"""Small real videos for the scan's tests."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from ds_actors.sandbox import paint_marker

Picture = NDArray[np.uint8]
TICKS = Fraction(1, 1_000)
FASTSTART = {"movflags": "faststart"}


def grey(milliseconds: int) -> Picture:
    """Return a picture whose brightness says its second."""
    return np.full((96, 128, 3), 20 + 20 * (milliseconds // 1_000 % 11), np.uint8)


def noise(milliseconds: int) -> Picture:
    """Return a picture that compresses badly, so that a cut file has many packets."""
    return np.random.default_rng(milliseconds).integers(0, 255, (96, 128, 3), dtype=np.uint8)


def tampered(milliseconds: int) -> Picture:
    """Return the patch from second 2 until second 4."""
    picture = np.full((96, 128, 3), 128, np.uint8)
    return paint_marker(picture, 0.2) if 2_000 <= milliseconds < 4_000 else picture


def make(path: Path, times: Sequence[int], picture: Callable[[int], Picture] = grey, codec: str = "libx264") -> Path:
    """Write a video with a frame at each of those times (milliseconds); its container follows from the name."""
    options = FASTSTART if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.time_base = TICKS
        for time in times:
            frame = av.VideoFrame.from_ndarray(picture(time), format="rgb24")
            frame.pts, frame.time_base = time, TICKS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def steady(seconds: float, rate: int = 10) -> list[int]:
    """Return the times of a steady video, in milliseconds."""
    return [k * 1_000 // rate for k in range(int(seconds * rate))]


def packet_end(path: Path, count: int) -> int:
    """Return where the first so many packets of the file end, in bytes."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size]
    return max((packet.pos or 0) + packet.size for packet in packets[:count])


def cut(path: Path, share: float = 0.55) -> Path:
    """Write the first part of a file beside it."""
    out = path.with_name(f"cut-{path.name}")
    data = path.read_bytes()
    out.write_bytes(data[: int(len(data) * share)])
    return out


def sound_only(path: Path) -> Path:
    """Write half a second of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4_000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decoded(path: Path) -> list[Fraction]:
    """Return the times of all frames as the plainest loop gets them that goes on after an error."""
    times: list[Fraction] = []
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "SLICE"
        for packet in container.demux(video=0):
            try:
                frames = packet.decode()
            except FFmpegError:
                continue
            for frame in frames:
                assert frame.pts is not None
                assert frame.time_base is not None
                times.append(frame.pts * frame.time_base)
    return times
