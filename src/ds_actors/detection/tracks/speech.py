"""Sound to chunks of speech: when to listen, and what is worth sending. Pure.

Levels are RMS over one block, relative to a full scale of 32,768. Speech begins with the first block over the floor and
ends with the last one before a second under it; shorter pauses belong to it.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
from attrs import define, field, frozen

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import Promise

SAMPLE_RATE: Final = 16_000
CHUNK_SAMPLES: Final = 48_000
"""Three seconds: what the service takes, no more and no less."""
FLOOR_DBFS: Final = -50.0
SPEECH_ENDS_AFTER: Final = 1.0
SHORTEST_SPEECH: Final = 1.0
LISTEN_FOR: Final = 10.0
LOOK_AGAIN_AFTER: Final = 5.0
SHORTEST_INTERVAL: Final = 3.0

_SAMPLE_BYTES: Final = 2
_CHUNK_BYTES: Final = CHUNK_SAMPLES * _SAMPLE_BYTES
_BYTES_A_SECOND: Final = SAMPLE_RATE * _SAMPLE_BYTES


@frozen
class Chunk:
    """48,000 samples of 16-bit little-endian mono PCM at 16 kHz, filled up with zeros where speech was shorter."""

    data: bytes = field(repr=False)
    heard: float
    """Seconds of speech, its short pauses included."""
    captured_at: float
    """Monotonic clock (seconds) when the last recorded sample arrived: what the age limit counts from."""


@frozen
class NoSpeech:
    """Nothing worth sending was heard."""

    reason: Literal["silence", "too_short"]


def loudness(block: bytes) -> float:
    """Return the RMS of 16-bit little-endian PCM in dBFS; minus infinity for digital silence or no samples.

    Raises:
        ValueError: when the bytes are no whole samples.
    """
    if len(block) % _SAMPLE_BYTES:
        raise ValueError(f"{len(block)} bytes are no whole 16-bit samples")
    samples = np.frombuffer(block, dtype="<i2").astype(np.float64)
    power = float(np.mean(samples * samples)) if samples.size else 0.0
    return 10 * math.log10(power / 32_768**2) if power else -math.inf


@define(eq=False)
class Chunker:
    """Makes one chunk of what one microphone gives, or finds that there is none."""

    opened: float
    """Monotonic clock (seconds) at which listening began."""
    _data: bytearray = field(factory=bytearray, init=False, repr=False)
    _silent: int = field(default=0, init=False)
    """Bytes since the last block over the floor, or since listening began."""
    _last_loud: float | None = field(default=None, init=False)
    _last_block: float = field(default=0.0, init=False)

    @property
    def deadline(self) -> float:
        """When (monotonic seconds) to call `finish` though no block came: a source that stalls is silent."""
        if self._last_loud is None:
            return self.opened + LISTEN_FOR
        return self._last_loud + SPEECH_ENDS_AFTER

    def feed(self, block: bytes, now: float) -> Chunk | NoSpeech | None:
        """Take the next block (100 ms; empty at the end of the sound) and return the outcome once there is one.

        Raises:
            ValueError: when the bytes are no whole samples.
        """
        if not block:
            return self.finish()
        loud = loudness(block) > FLOOR_DBFS
        if loud:
            self._last_loud = now
        if self._last_loud is None:
            self._silent += len(block)
            return self.finish() if self._silent >= LISTEN_FOR * _BYTES_A_SECOND else None
        taken = block[: _CHUNK_BYTES - len(self._data)]
        self._data += taken
        self._silent = 0 if loud else self._silent + len(taken)
        self._last_block = now
        over = len(self._data) == _CHUNK_BYTES or self._silent >= SPEECH_ENDS_AFTER * _BYTES_A_SECOND
        return self.finish() if over or now >= self.deadline else None

    def finish(self) -> Chunk | NoSpeech:
        """Return what was heard so far: padded when it is a second of speech at least."""
        if self._last_loud is None:
            return NoSpeech("silence")
        heard = (len(self._data) - self._silent) / _BYTES_A_SECOND
        if heard < SHORTEST_SPEECH:
            return NoSpeech("too_short")
        return Chunk(bytes(self._data).ljust(_CHUNK_BYTES, b"\0"), heard, self._last_block)


@frozen
class AudioPace:
    """How often one microphone is recorded."""

    interval: float = 60.0
    """Seconds between two looks at a track that is not elevated."""
    normal_fps: float = 0.2
    burst_fps: float = 1.0

    def __attrs_post_init__(self) -> None:
        """Refuse figures that make no pace.

        Raises:
            ValueError: naming the figure that is not finite and above 0, or the two in the wrong order.
        """
        for name in ("interval", "normal_fps", "burst_fps"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be finite and above 0, not {value!r}")
        if self.burst_fps < self.normal_fps:
            raise ValueError(f"burst_fps ({self.burst_fps!r}) must not be below normal_fps ({self.normal_fps!r})")

    @property
    def promise(self) -> Promise:
        """What a microphone on which somebody speaks can be held to; silence promises nothing."""
        burst = 1 / max(self.interval * (self.normal_fps / self.burst_fps), SHORTEST_INTERVAL)
        normal = 1 / max(self.interval, SHORTEST_INTERVAL)
        return Promise(burst, normal, 1 / burst, 1 / normal)

    def next_look(self, outcome: Chunk | NoSpeech, level: Level, *, opened: float, closed: float) -> float:
        """Return when (monotonic seconds) to listen again after a look that lasted from `opened` to `closed`.

        A chunk keeps the interval, from opening to opening, shortened by normal / burst while the level is suspicious
        or alert, to 3 s at least; without one it is 5 s after closing. When the level changes meanwhile, ask again.
        """
        if isinstance(outcome, NoSpeech):
            return closed + LOOK_AGAIN_AFTER
        # The quotient first: it is never above 1, so rounding cannot make the wait longer than the interval.
        interval = self.interval * (self.normal_fps / self.burst_fps) if level.elevated else self.interval
        return max(opened + max(interval, SHORTEST_INTERVAL), closed)
