"""The sources of frames and sound: protocols, so that any program can feed the monitor."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ds_actors.detection.tracks.encoding import Frame


class FrameSource(Protocol):
    """A track's frames, on demand: nothing is produced between captures."""

    async def capture(self) -> Frame | None:
        """Return the freshest frame, waiting for one; None when the track has ended. The caller bounds the wait.

        Raises:
            FrameTooSmallError: when the frame is too small to judge; the track's coverage says so.
            EncodingError: when the frame cannot become a sample for another reason.
        """
        ...

    async def aclose(self) -> None:
        """Release the source at the end of the track, within 0.5 s; closing twice is allowed."""
        ...


@runtime_checkable
class ForecastSource(Protocol):
    """A source of frames that also learns when the next one is needed, to spare what comes in between."""

    def expect(self, due: float | None, *, steady: bool) -> None:
        """Take each change of the plan; must neither wait nor raise.

        Args:
            due: when the next sample is due (trio's clock, seconds); None when none is planned.
            steady: False at burst rate, and for a policy that needs the frames between samples.
        """
        ...


@runtime_checkable
class RequestingSource(Protocol):
    """A source of frames that asks for them when none come."""

    @property
    def frame_requests(self) -> int:
        """How often it has asked; read from any thread."""
        ...


class PcmSource(Protocol):
    """A microphone's sound, on demand: `read` opens it, and each recording closes it afterwards."""

    async def read(self) -> bytes:
        """Return the next 100 ms of 16-bit little-endian mono PCM at 16 kHz; empty at the end."""
        ...

    async def aclose(self) -> None:
        """Release the source, within 0.5 s; closing twice is allowed."""
        ...
