"""Reading the packets of a container in order, and continuing after errors. These functions block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias, cast

import av
import av.container
import av.stream
from av.error import FFmpegError

MOST_ERRORS: Final = 64
"""Number of consecutive errors that ends the reading."""

AnyPacket: TypeAlias = "av.Packet[av.stream.Stream]"


def read_packets(container: av.container.InputContainer) -> Iterator[AnyPacket | FFmpegError]:
    """Yield packets, and the error in place of data that cannot be read; at the end, one empty packet per stream."""
    errors = 0
    while errors < MOST_ERRORS:
        try:
            for packet in container.demux():
                errors = 0
                yield packet
        except FFmpegError as error:
            errors += 1
            yield error  # the next turn reads on after it
        except IndexError:
            # PyAV ends like this in a file that announced streams after its beginning, once all packets are read.
            return
        else:
            return


def decoded(packet: AnyPacket) -> list[av.VideoFrame]:
    """Return the pictures that a packet of a video stream completes."""
    return cast("list[av.VideoFrame]", packet.decode())
