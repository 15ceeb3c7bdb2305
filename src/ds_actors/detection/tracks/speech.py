"""Turns sound into chunks of speech: when to record, and what is worth sending. Pure.

Levels are RMS per block, relative to a full scale of 32,768. Speech begins at the first block above the floor and
ends with the last one before a second below it; shorter pauses belong to it.
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
"""Three seconds: the exact length that the service accepts."""
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
    """48,000 samples of 16-bit little-endian mono PCM at 16 kHz, padded with zeros when speech was shorter."""

    data: bytes = field(repr=False)
    speech_seconds: float
    """Seconds of speech, including its short pauses."""
    captured_at: float
    """Monotonic clock (seconds) when the last recorded sample arrived; the age limit counts from here."""


@frozen
class NoSpeech:
    """The recording contains no speech worth sending."""

    reason: Literal["silence", "too_short"]


def loudness(block: bytes) -> float:
    """Return the RMS of 16-bit little-endian PCM in dBFS; minus infinity for digital silence or no samples.

    Raises:
        ValueError: when the bytes are not whole samples.
    """
    if len(block) % _SAMPLE_BYTES:
        raise ValueError(f"{len(block)} bytes are not whole 16-bit samples")
    samples = np.frombuffer(block, dtype="<i2").astype(np.float64)
    power = float(np.mean(samples * samples)) if samples.size else 0.0
    return 10 * math.log10(power / 32_768**2) if power else -math.inf


@define(eq=False)
class Chunker:
    """Makes one chunk from one recording of a microphone, or finds no speech in it."""

    opened: float
    """When the recording began (monotonic clock, seconds)."""
    _data: bytearray = field(factory=bytearray, init=False, repr=False)
    _silent: int = field(default=0, init=False)
    """Bytes since the last block above the floor, or since the recording began."""
    _last_loud: float | None = field(default=None, init=False)
    _last_block: float = field(default=0.0, init=False)

    @property
    def deadline(self) -> float:
        """When (monotonic seconds) to call `finish` without another block: a stalled source counts as silent."""
        if self._last_loud is None:
            return self.opened + LISTEN_FOR
        return self._last_loud + SPEECH_ENDS_AFTER

    def feed(self, block: bytes, now: float) -> Chunk | NoSpeech | None:
        """Take the next block (100 ms; empty at the end of the sound) and return the outcome once there is one.

        Raises:
            ValueError: when the bytes are not whole samples.
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
        """Return the outcome so far: a padded chunk when it has at least a second of speech."""
        if self._last_loud is None:
            return NoSpeech("silence")
        spoken = (len(self._data) - self._silent) / _BYTES_A_SECOND
        if spoken < SHORTEST_SPEECH:
            return NoSpeech("too_short")
        return Chunk(bytes(self._data).ljust(_CHUNK_BYTES, b"\0"), spoken, self._last_block)


@frozen
class AudioPace:
    """How often one microphone is recorded."""

    interval: float = 60.0
    """Seconds between two recordings of a track that is not elevated."""
    normal_fps: float = 0.2
    burst_fps: float = 1.0

    def __attrs_post_init__(self) -> None:
        """Check the figures.

        Raises:
            ValueError: when a figure is not finite and above 0, or two are in the wrong order; the message names them.
        """
        for name in ("interval", "normal_fps", "burst_fps"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be finite and above 0, not {value!r}")
        if self.burst_fps < self.normal_fps:
            raise ValueError(f"burst_fps ({self.burst_fps!r}) must not be below normal_fps ({self.normal_fps!r})")

    @property
    def promise(self) -> Promise:
        """The promise for a microphone with speech; for silence there is no promise."""
        burst = 1 / max(self.interval * (self.normal_fps / self.burst_fps), SHORTEST_INTERVAL)
        normal = 1 / max(self.interval, SHORTEST_INTERVAL)
        return Promise(burst, normal, 1 / burst, 1 / normal)

    def next_look(self, outcome: Chunk | NoSpeech, level: Level, *, opened: float, closed: float) -> float:
        """Return when (monotonic seconds) to record again after a recording from `opened` to `closed`.

        After a chunk, the interval counts from opening to opening, shortened by normal / burst while suspicious
        or alert, to 3 s at least; without one it is 5 s after closing. When the level changes meanwhile, ask again.
        """
        if isinstance(outcome, NoSpeech):
            return closed + LOOK_AGAIN_AFTER
        # The quotient is computed first: it is at most 1, so rounding cannot make the wait longer than the interval.
        interval = self.interval * (self.normal_fps / self.burst_fps) if level.elevated else self.interval
        return max(opened + max(interval, SHORTEST_INTERVAL), closed)
