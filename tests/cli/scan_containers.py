"""Small real files in every common container: whole, cut, damaged, with two video streams."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import av
import scan_clips as clips
from attrs import field, frozen
from scan_clips import TICKS
from scan_streams import painted

SECONDS: Final = 6
DAMAGED: Final = 20
"""The packet that is overwritten, the one of second 2."""


@frozen
class ContainerPlan:
    """One container, and the codec for the pictures in it."""

    suffix: str
    codec: str = "libx264"
    pixels: str = "yuv420p"
    options: dict[str, str] = field(factory=dict[str, str])
    head: int = 0
    """Bytes between the place that FFmpeg states for a packet and the packet's data."""
    streams: int = 2
    """The most video streams that fit."""

    def write(self, path: Path, streams: int = 1) -> Path:
        """Write six seconds with a key frame a second; a second stream shows the patch."""
        with av.open(str(path), "w", options=self.options) as container:
            videos: list[Any] = []
            for _ in range(streams):
                video: Any = container.add_stream(self.codec, rate=10)
                video.width, video.height, video.pix_fmt = 128, 96, self.pixels
                video.codec_context.time_base, video.codec_context.gop_size = TICKS, 10
                videos.append(video)
            for time in clips.steady(SECONDS):
                for picture, video in zip((clips.noise, painted), videos, strict=False):
                    frame = av.VideoFrame.from_ndarray(picture(time), format="rgb24")
                    frame.pts, frame.time_base = time, TICKS
                    container.mux(video.encode(frame))
            for video in videos:
                container.mux(video.encode(None))
        return path

    def whole(self, folder: Path) -> Path:
        """Write the file."""
        return self.write(folder / f"whole.{self.suffix}")

    def cut(self, folder: Path) -> Path:
        """Write the first part of the file."""
        return clips.cut(self.whole(folder), 0.6)

    def damaged(self, folder: Path) -> Path:
        """Write the file and overwrite the data of one packet."""
        whole = self.whole(folder)
        with av.open(str(whole)) as written:
            places = [(packet.pos or 0, packet.size) for packet in written.demux(video=0) if packet.size]
        place, size = places[DAMAGED]
        data = bytearray(whole.read_bytes())
        data[place + self.head : place + size] = b"\xff" * (size - self.head)
        path = whole.with_name(f"damaged.{self.suffix}")
        path.write_bytes(data)
        return path

    def two(self, folder: Path) -> Path:
        """Write the file with two video streams."""
        return self.write(folder / f"two.{self.suffix}", 2)


CONTAINERS: Final = {
    "MP4": ContainerPlan("mp4", options={"movflags": "faststart"}),
    "fragmented MP4": ContainerPlan("mp4", options={"movflags": "frag_keyframe+empty_moov"}),
    "MOV": ContainerPlan("mov", options={"movflags": "faststart"}),
    "Matroska": ContainerPlan("mkv", head=12),
    "WebM": ContainerPlan("webm", "libvpx", head=12),
    "AVI": ContainerPlan("avi", "mpeg4"),
    "MPEG-TS": ContainerPlan("ts", head=40),
    "Ogg": ContainerPlan("ogg", "libvpx", head=60),
    "FLV": ContainerPlan("flv", "flv", head=16, streams=1),
    "GIF": ContainerPlan("gif", "gif", "rgb8", head=40, streams=1),
}
