"""Reads a microphone until there is a chunk of speech, or clearly none."""

from __future__ import annotations

import trio

from ds_actors.detection.tracks.closing import CLOSE_WITHIN
from ds_actors.detection.tracks.sources import PcmSource
from ds_actors.detection.tracks.speech import Chunk, Chunker, NoSpeech


async def listen(source: PcmSource) -> Chunk | NoSpeech:
    """Read the source until there is a chunk or clearly none; close it within 0.5 s in any case.

    Waits at most 10 s for speech to begin. Errors of the source are raised.
    """
    try:
        chunker = Chunker(trio.current_time())
        while True:
            block: bytes | None = None
            with trio.move_on_at(chunker.deadline):
                block = await source.read()
            outcome = chunker.finish() if block is None else chunker.feed(block, trio.current_time())
            if outcome is not None:
                return outcome
    finally:
        with trio.move_on_after(CLOSE_WITHIN, shield=True):
            await source.aclose()
