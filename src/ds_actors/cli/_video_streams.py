"""Which video streams a file has, and which of them a player shows. Pure, apart from reading an open container."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, cast

import av.container
import av.logging
import av.stream
import av.video.stream
from attrs import evolve, field, frozen

from ds_actors.cli._heif import StillPicture
from ds_actors.cli._heif_boxes import HeifError

_VIDEO_LINE: Final = re.compile(r"^  Stream #0:(\d+)\D.*?: Video: ", re.MULTILINE)


@frozen
class VideoStreamName:
    """Identifies and describes a video stream."""

    index: int
    """Its index among all streams of the file, as FFmpeg counts them, from 0."""
    codec: str
    """FFmpeg's name of the codec; "unknown" where no decoder for it is available."""
    width: int
    height: int
    """Pixels as the container states them; 0 where it does not."""
    flagged_default: bool = False
    """Whether the container marks it as the one to play."""
    decodable: bool = True

    def __str__(self) -> str:
        details = [self.codec]
        if self.width and self.height:
            details.append(f"{self.width} x {self.height}")
        if self.flagged_default:
            details.append("default")
        return f"stream {self.index} ({', '.join(details)})"


@frozen
class VideoStreams:
    """The video streams of one file."""

    streams: tuple[VideoStreamName, ...]
    auxiliary: tuple[int, ...] = ()
    """Indexes of covers and chapter pictures, and of the thumbnails, alpha and depth of a still picture."""
    grids: dict[int, StillPicture] = field(factory=dict[int, StillPicture])
    """Pictures in tiles, by the index of the stream of their first tile, which represents them."""
    unscanned: tuple[str, ...] = ()
    """Other parts of the file that cannot be scanned, one line each."""
    stills: bool = False
    """Whether the streams are the pictures of a HEIC or AVIF file."""


def in_playing_order(streams: Sequence[VideoStreamName]) -> list[VideoStreamName]:
    """Return the streams in the order of a player's preference: decodable ones first, then the default one."""
    return sorted(streams, key=lambda stream: (not stream.decodable, not stream.flagged_default, stream.index))


def described(container: av.container.InputContainer, stills: Sequence[StillPicture] = ()) -> VideoStreams:
    """Return the video streams of an open container, or the pictures of a HEIC or AVIF file.

    Raises:
        HeifError: when FFmpeg does not offer a part of one of these pictures.
    """
    attached = av.stream.Disposition.attached_pic
    videos = container.streams.video
    if stills:
        return _pictures(videos, stills)
    return VideoStreams(
        tuple(_name(stream) for stream in videos if not stream.disposition & attached),
        tuple(stream.index for stream in videos if stream.disposition & attached),
    )


def _pictures(videos: Sequence[av.video.stream.VideoStream], stills: Sequence[StillPicture]) -> VideoStreams:
    # The identifier of a stream is the number of its item.
    by_item = {stream.id: stream for stream in reversed(videos)}
    names: list[VideoStreamName] = []
    grids: dict[int, StillPicture] = {}
    used: set[int] = set()
    for picture in stills:
        grid = picture.grid
        items = (picture.item,) if grid is None else grid.tiles
        used.update(items)
        if any(item not in by_item for item in items):
            raise HeifError("it has a picture that FFmpeg cannot read; convert it to JPEG")
        name = _name(by_item[items[0]])
        if grid is not None:
            name = evolve(name, width=grid.width, height=grid.height)
            grids[name.index] = picture
        names.append(name)
    auxiliary = tuple(stream.index for stream in videos if stream.id not in used)
    return VideoStreams(tuple(names), auxiliary, grids, stills=True)


def _name(stream: av.video.stream.VideoStream) -> VideoStreamName:
    flagged = bool(stream.disposition & av.stream.Disposition.default)
    context = getattr(stream, "codec_context", None)
    if context is None:
        return VideoStreamName(stream.index, "unknown", 0, 0, flagged, decodable=False)
    return VideoStreamName(stream.index, context.codec.canonical_name, context.width, context.height, flagged)


def late_streams(container: av.container.InputContainer) -> tuple[int, ...]:
    """Return the indexes of the video streams that FFmpeg found after the container was opened.

    MPEG-TS may announce streams anywhere. PyAV drops their packets, and only FFmpeg's own description lists them.
    """
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        text = str(cast("Any", container).dumps_format())  # PyAV's stubs leave it out
    finally:
        av.logging.set_level(level)
    return tuple(sorted(index for index in listed_videos(text) if index >= len(container.streams)))


def listed_videos(description: str) -> set[int]:
    """Return the indexes of the video streams in FFmpeg's description of a container."""
    return {int(index) for index in _VIDEO_LINE.findall(description)}
