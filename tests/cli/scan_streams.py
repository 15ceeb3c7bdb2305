"""Small real files with several video streams."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import av.stream
import numpy as np
from attrs import frozen
from scan_clips import TICKS, Picture

from ds_actors.sandbox import paint_marker

PACKET = 188
"""Bytes of a packet of MPEG-TS."""


def clean(_milliseconds: int) -> Picture:
    """Return a grey picture."""
    return np.full((96, 128, 3), 128, np.uint8)


def painted(milliseconds: int) -> Picture:
    """Return a grey picture with the patch that the sandbox takes for a fake."""
    return paint_marker(clean(milliseconds), 0.2)


@frozen
class StreamPlan:
    """One video stream of a file to make."""

    picture: Callable[[int], Picture] = clean
    times: tuple[int, ...] = tuple(range(0, 2_000, 100))
    """Milliseconds."""
    codec: str = "libx264"
    default: bool = False
    cover: bool = False


def write_streams(path: Path, *plans: StreamPlan, options: dict[str, str] | None = None) -> Path:
    """Write a file with those video streams; its container follows from the name."""
    with av.open(str(path), "w", options=options or {}) as container:
        streams: list[Any] = []
        for plan in plans:
            stream: Any = container.add_stream(plan.codec, rate=25)
            stream.width, stream.height = 128, 96
            stream.pix_fmt = "yuvj420p" if plan.codec == "mjpeg" else "yuv420p"
            stream.codec_context.time_base = TICKS
            stream.disposition = _disposition(plan)
            streams.append(stream)
        moments = sorted((time, number) for number, plan in enumerate(plans) for time in plan.times)
        for time, number in moments:
            frame = av.VideoFrame.from_ndarray(plans[number].picture(time), format="rgb24")
            frame.pts, frame.time_base = time, TICKS
            container.mux(streams[number].encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def _disposition(plan: StreamPlan) -> av.stream.Disposition:
    if plan.cover:
        return av.stream.Disposition.attached_pic
    return av.stream.Disposition.default if plan.default else av.stream.Disposition(0)


def write_program(path: Path, number: int, picture: Callable[[int], Picture]) -> Path:
    """Write an MPEG-TS file with one program of that number, whose PIDs differ from those of other numbers."""
    first_pid = 0x100 * (number + 1)
    options = {
        "mpegts_service_id": str(number),
        "mpegts_pmt_start_pid": str(first_pid + 0x80),
        "mpegts_start_pid": str(first_pid),
    }
    return write_streams(path, StreamPlan(picture), options=options)


def multiplex(path: Path, programs: dict[int, Path]) -> Path:
    """Write one MPEG-TS file with the programs of several files of `write_program`, under one association table."""
    parts = [file.read_bytes() for file in programs.values()]
    lists = [[data[at : at + PACKET] for at in range(0, len(data), PACKET)] for data in parts]
    association = _association(list(programs))
    out = bytearray()
    for turn in range(max(len(packets) for packets in lists)):
        for packets in lists:
            if turn < len(packets):
                pid = int.from_bytes(packets[turn][1:3], "big") & 0x1FFF
                out += association if pid == 0 else packets[turn]
    path.write_bytes(out)
    return path


def _association(numbers: list[int]) -> bytes:
    entries = b"".join(
        number.to_bytes(2, "big") + (0xE000 | (0x100 * (number + 1) + 0x80)).to_bytes(2, "big") for number in numbers
    )
    length = 5 + len(entries) + 4
    section = b"\x00" + (0xB000 | length).to_bytes(2, "big") + b"\x00\x01\xc1\x00\x00" + entries
    section += _crc(section).to_bytes(4, "big")
    return (b"\x47\x40\x00\x10\x00" + section).ljust(PACKET, b"\xff")


def _crc(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc
