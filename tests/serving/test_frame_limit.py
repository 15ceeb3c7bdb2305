"""The limit of a message's fragments, from the request's head on."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from serving_kit import UPGRADE

from ds_actors.serving._frame_limit import FrameLimitedStream

EMPTY_FRAGMENT = b"\x00\x80\x00\x00\x00\x00"
"""Masked, and not the last one."""


@pytest.mark.parametrize("request_head", [UPGRADE, UPGRADE.replace(b"\r\n", b"\n")], ids=["CRLF", "LF"])
async def test_endless_fragments_end_the_stream_however_the_lines_of_the_head_end(request_head: bytes) -> None:
    """The library takes both kinds of lines."""
    client, server = trio.testing.memory_stream_pair()
    stream = FrameLimitedStream(server)
    await client.send_all(request_head + b"\x02" + EMPTY_FRAGMENT[1:])
    assert await stream.receive_some() == request_head + b"\x02" + EMPTY_FRAGMENT[1:]
    await client.send_all(EMPTY_FRAGMENT * 100)
    with pytest.raises(trio.BrokenResourceError, match="frames"):
        await stream.receive_some()


async def test_a_head_without_an_end_ends_the_stream() -> None:
    """At 16 KiB, before it takes memory."""
    client, server = trio.testing.memory_stream_pair()
    await client.send_all(UPGRADE.removesuffix(b"\r\n\r\n") + b"x" * 16_384)
    with pytest.raises(trio.BrokenResourceError, match="head"):
        await FrameLimitedStream(server).receive_some()
