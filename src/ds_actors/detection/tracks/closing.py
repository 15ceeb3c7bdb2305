"""Closes the sources of tracks."""

from __future__ import annotations

import logging
from typing import Final

import trio

from ds_actors.detection.tracks.sources import FrameSource, PcmSource

logger: logging.Logger = logging.getLogger("ds_actors.detection")

CLOSE_WITHIN: Final = 0.5
"""Seconds that a source may take to close, after its actor or after a recording."""


async def close_source(source: FrameSource | PcmSource) -> None:
    """Close a source for good; actors never do, since the next incarnation continues with it."""
    with trio.move_on_after(CLOSE_WITHIN, shield=True):
        try:
            await source.aclose()
        except Exception:
            logger.exception("a track's source failed to close")
