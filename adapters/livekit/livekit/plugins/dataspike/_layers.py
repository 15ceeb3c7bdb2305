"""Which layer of a track the server sends, where its publisher sends several: simulcast, or SVC in VP9 and AV1.

The server is asked for a size, and chooses the smallest layer that is large enough. The SDK remembers the size and
repeats it whenever forwarding is resumed.
"""

from __future__ import annotations

import math
from typing import Any, Final, cast

from attrs import define, field
from livekit import rtc

MIN_SIDE: Final = 540
LARGER_WITHIN: Final = 0.5
"""Seconds to wait, after the first frame of a resumed track, for one of the layer that was asked for."""
ENOUGH_FOR: Final = 5
"""Samples that take any layer after the larger one did not come in time."""
SMALLEST_SIDE: Final = 64
LARGEST_SIDE: Final = 8_192
TOLERANCE: Final = 0.9
"""livekit-server takes a layer that has this part of the requested height (`layerSelectionTolerance`)."""
_REQUEST: Final = "update_remote_track_publication_dimension"
_SVC: Final = frozenset({"video/vp9", "video/av1"})


def check_min_side(min_side: int | None) -> int | None:
    """Return the parameter.

    Raises:
        TypeError: when it is neither None nor a whole number.
        ValueError: when it is not between 64 and 8,192 pixels.
    """
    if min_side is None:
        return None
    if isinstance(min_side, bool) or not isinstance(cast("object", min_side), int):
        raise TypeError(f"min_side must be a whole number of pixels or None, not {min_side!r}")
    if not SMALLEST_SIDE <= min_side <= LARGEST_SIDE:
        raise ValueError(f"min_side must be {SMALLEST_SIDE} to {LARGEST_SIDE:,} pixels, or None, not {min_side!r}")
    return min_side


def size_to_request(width: int, height: int, min_side: int) -> tuple[int, int] | None:
    """Return the size by which the server chooses the smallest layer whose short side is at least `min_side`.

    Args:
        width: of the largest layer, as its publisher says (pixels); the same for the height.
        height: see the width.
        min_side: pixels.

    Returns:
        The size, in the publisher's shape; None when no smaller layer can be large enough.
    """
    short = min(width, height)
    wanted = math.floor(min_side / TOLERANCE)
    if short <= wanted:
        return None
    return round(width * wanted / short), round(height * wanted / short)


def sdk_can_choose() -> bool:
    """Return whether the installed SDK has the request."""
    try:
        from livekit.rtc._ffi_client import FfiClient  # noqa: PLC0415 - private, so it may be missing
        from livekit.rtc._proto import ffi_pb2  # noqa: PLC0415
    except ImportError:
        return False
    return hasattr(FfiClient, "request") and _REQUEST in ffi_pb2.FfiRequest.DESCRIPTOR.fields_by_name


def request_size(publication: rtc.RemoteTrackPublication, width: int, height: int) -> None:
    """Ask the server for a size; it returns at once; the server confirms nothing.

    Raises:
        Exception: whatever the SDK raises, for instance for a publication that is gone.
    """
    from livekit.rtc._ffi_client import FfiClient  # noqa: PLC0415 - see sdk_can_choose
    from livekit.rtc._proto import ffi_pb2  # noqa: PLC0415

    request = ffi_pb2.FfiRequest()
    part = getattr(request, _REQUEST)
    part.track_publication_handle = cast("Any", publication)._ffi_handle.handle  # noqa: SLF001 - there is no public name
    part.width, part.height = width, height
    FfiClient.instance.request(request)


@define(eq=False)
class LayerPatience:
    """Whether a frame is let pass because a larger layer is on its way. Pure.

    A server that resumes a track begins with the layer whose key frame comes first. Where the larger one did not come
    in time, smaller frames are enough for a few samples: the publisher's or the agent's bandwidth may allow no more.
    """

    _enough: int = field(default=0, init=False)
    """How many samples still take what comes."""

    def waits(self, side: int, least: int) -> bool:
        """Return whether to wait for a larger frame than one with this short side; `least` is what was asked for."""
        return side < least and not self._enough

    def taken(self) -> None:
        """Count a sample's frame."""
        self._enough = max(0, self._enough - 1)

    def in_vain(self) -> None:
        """Take the last smaller frame, because none of the larger layer came in time."""
        self._enough = ENOUGH_FOR


class TrackLayer:
    """The layer of one track: untouched at first, then small or the largest.

    Args:
        publication: of the track.
        min_side: the shortest short side of a small layer, pixels; None leaves the choice to the host.
    """

    def __init__(self, publication: rtc.RemoteTrackPublication, min_side: int | None) -> None:
        self._publication = publication
        layered = publication.simulcasted or publication.mime_type.lower() in _SVC
        self._largest = (publication.width, publication.height)
        self._small = None if min_side is None or not layered else size_to_request(*self._largest, min_side)
        self._layered = layered
        self.requested: tuple[int, int] | None = None
        """The size that was asked for last; None while none was."""

    @property
    def least_side(self) -> int:
        """The short side that the next frames should have at least (pixels); 0 for a track without layers."""
        return math.floor(TOLERANCE * min(self.requested or self._largest)) if self._layered else 0

    def choose(self, *, small: bool, again: bool) -> None:
        """Ask for the small layer or the largest, if that is a change; `again` repeats the request for a small one.

        The server's news of a track, such as muted, make the SDK forget the size: hence the repetition.
        """
        if self._small is None or (not small and self.requested is None):
            return
        size = self._small if small else self._largest
        if size != self.requested or (again and small):
            self.requested = size
            request_size(self._publication, *size)

    def repeat(self) -> None:
        """Ask for the present size once more, which also says whether the track is enabled."""
        width, height = self.requested or self._largest
        # A publisher may name no size, and for 0 a server takes the smallest layer.
        request_size(self._publication, width or LARGEST_SIDE, height or LARGEST_SIDE)
