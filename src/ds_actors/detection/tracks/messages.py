"""The messages of track actors, in addition to the events of the sampler and the policies. Pure."""

from __future__ import annotations

from attrs import frozen

from ds_actors.detection.sampling import SampleSent, Scene, Speaking
from ds_actors.detection.tracks.sampler import MutedChanged
from ds_actors.detection.tracks.speech import Chunk, NoSpeech
from ds_actors.detection.turns import Granted


@frozen
class VerdictArrived:
    """A verdict counts for this track; its host has the level, possibly a newer one."""


@frozen
class GateChanged:
    """A voice activity detector opened or closed this microphone's gate; nothing is recorded while it is closed."""

    open: bool


@frozen
class ListeningEnded:
    """One recording ended."""

    look: int
    """Its number; the actor ignores reports of older recordings."""
    outcome: Chunk | NoSpeech
    closed: float
    """Monotonic clock, seconds."""
    wall_ms: int


TrackMessage = Granted | VerdictArrived | SampleSent | MutedChanged | Speaking | Scene
AudioMessage = TrackMessage | GateChanged | ListeningEnded
