"""Whether a frame is large enough to judge."""

from __future__ import annotations

import pytest

from ds_actors.detection.tracks.frame_size import FrameSize, frame_size


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (2, 2, FrameSize.BLANK),
        (8, 8, FrameSize.BLANK),
        (16, 16, FrameSize.BLANK),
        (17, 16, FrameSize.TOO_SMALL),
        (48, 48, FrameSize.TOO_SMALL),
        (36, 63, FrameSize.TOO_SMALL),
        (36, 64, FrameSize.FIT),
        (64, 36, FrameSize.FIT),
        (320, 62, FrameSize.FIT),
        (1_280, 2, FrameSize.FIT),
        (640, 360, FrameSize.FIT),
        (8_192, 8_192, FrameSize.FIT),
        (8_192, 8_193, FrameSize.TOO_LARGE),
        (16_384, 4_096, FrameSize.FIT),
        (16_385, 2, FrameSize.TOO_LARGE),
    ],
)
def test_the_longer_side_decides(width: int, height: int, size: FrameSize) -> None:
    """Fillers are no pictures; a strip is one, however flat. The number of pixels is limited too."""
    assert frame_size(width, height) is size
