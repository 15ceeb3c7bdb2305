"""What happens to a track, as steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import evolve, frozen

from ds_actors.detection.events import Level

BEGIN: Final = 1_000.0
"""The start of a timeline's clock; a policy must not depend on the number."""


@frozen
class PassTime:
    """Time passes; due samples are taken in time and sent."""

    seconds: float


@frozen
class ReceiveVerdict:
    """The service's answer arrives."""

    level: Level


@frozen
class Jump:
    """The clock jumps, as after the machine slept."""

    seconds: float


@frozen
class Mute:
    """The track is muted."""


@frozen
class Unmute:
    """The track is unmuted."""


@frozen
class Speak:
    """The participant starts or stops speaking."""

    active: bool


@frozen
class ShowFrame:
    """A frame of this uniform brightness arrives."""

    brightness: int


@frozen
class LoseFrames:
    """The next `samples` samples give no frame."""

    samples: int


@frozen
class Outage:
    """The service is away for `seconds`; the oldest sample waits for it, and samples due meanwhile are dropped."""

    seconds: float


@frozen
class Restart:
    """The track's actor crashes and starts again with a new policy."""


Step = PassTime | ReceiveVerdict | Jump | Mute | Unmute | Speak | ShowFrame | LoseFrames | Outage | Restart


@frozen
class Timeline:
    """The steps of one track, in order."""

    steps: Sequence[Step] = ()
    level: Level = Level.UNKNOWN
    """The level that the track has or inherits at the start."""
    late: float = 0.0
    """Seconds by which every sample is late."""
    size: int = 50_000
    """Bytes of every sample."""


def without_errors(timeline: Timeline) -> Timeline:
    """Return the timeline with something that changes nothing in place of each answer that is no verdict."""
    speaking = False
    steps: list[Step] = []
    for step in timeline.steps:
        if isinstance(step, Speak):
            speaking = step.active
        elif isinstance(step, Restart):
            speaking = False  # the new policy has not been told
        nothing = isinstance(step, ReceiveVerdict) and not step.level.is_verdict
        steps.append(Speak(speaking) if nothing else step)
    return evolve(timeline, steps=tuple(steps))
