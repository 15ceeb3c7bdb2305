"""A container's packets, from front to back, past what cannot be read. These functions block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias, cast

import av
import av.container
import av.stream
from av.error import FFmpegError

MOST_ERRORS: Final = 64
"""Errors one after another, with no packet between them, that end the reading."""

AnyPacket: TypeAlias = "av.Packet[av.stream.Stream]"


def read_packets(container: av.container.InputContainer) -> Iterator[AnyPacket | FFmpegError]:
    """Yield packets, and in place of what cannot be read the error; the last packets are empty, one a stream."""
    errors = 0
    while errors < MOST_ERRORS:
        try:
            for packet in container.demux():
                errors = 0
                yield packet
        except FFmpegError as error:
            errors += 1
            yield error  # reading goes on behind it
        except IndexError:
            # PyAV's end of a file that has announced streams after its beginning; all packets are read by then.
            return
        else:
            return


def decoded(packet: AnyPacket) -> list[av.VideoFrame]:
    """Return the pictures that a packet of a video stream completes."""
    return cast("list[av.VideoFrame]", packet.decode())
