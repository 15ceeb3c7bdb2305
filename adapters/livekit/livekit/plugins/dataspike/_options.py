"""The detector's parameters: the argument, then the environment, then the default; each checked where it is given."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Final, TypeVar, cast

from attrs import frozen

from ds_actors.detection import AdaptiveSampling, SamplingPolicy
from ds_actors.detection.sampling import check_fps, check_quality
from ds_actors.detection.tracks.speech import CHUNK_SAMPLES, SAMPLE_RATE, AudioPace

N = TypeVar("N", int, float)

NORMAL_FPS: Final = 0.2
BURST_FPS: Final = 1.0
QUALITY: Final = 75

_VARIABLES: Final = {
    "normal_fps": "DATASPIKE_NORMAL_FPS",
    "burst_fps": "DATASPIKE_BURST_FPS",
    "quality": "DATASPIKE_QUALITY",
}


@frozen
class VideoParams:
    """How video is sampled, as version 1.2 takes it; `normal_fps=`, `burst_fps=` and `quality=` say the same.

    Args:
        burst_fps: frames a second of a track that is suspicious or alert; at least normal_fps.
        normal_fps: frames a second of any other; above 0, 30 at most.
        quality: of the JPEG, 0 to 100.

    Raises:
        ValueError: naming what is out of its range.
    """

    burst_fps: float = BURST_FPS
    normal_fps: float = NORMAL_FPS
    quality: int = QUALITY

    def __attrs_post_init__(self) -> None:
        AdaptiveSampling(self.normal_fps, self.burst_fps)
        check_quality(self.quality)


@frozen
class AudioParams:
    """That microphones are listened to, and how often.

    Args:
        sample_rate: 16,000 Hz, which is all that the service takes.
        sample_size: 48,000 samples a chunk (3 s), which is all that it takes.
        interval: seconds between two chunks of a microphone; above 0. While its level is suspicious or alert it is
            interval * normal_fps / burst_fps; never under 3 s.

    Raises:
        ValueError: naming what is out of its range.
    """

    sample_rate: int = SAMPLE_RATE
    sample_size: int = CHUNK_SAMPLES
    interval: float = 60.0

    def __attrs_post_init__(self) -> None:
        for name, only in (("sample_rate", SAMPLE_RATE), ("sample_size", CHUNK_SAMPLES)):
            if getattr(self, name) != only:
                raise ValueError(f"{name} must be {only}, which is all that the service takes")
        if isinstance(self.interval, bool) or not (math.isfinite(self.interval) and self.interval > 0):
            raise ValueError(f"interval must be a finite number of seconds above 0, not {self.interval!r}")


@frozen
class Figures:
    """The sampling, resolved."""

    sampling: Callable[[], SamplingPolicy]
    quality: int
    audio: AudioPace | None


def resolve(
    *,
    normal_fps: float | None,
    burst_fps: float | None,
    quality: int | None,
    video_params: VideoParams | None,
    audio_params: AudioParams | None,
    sampling: Callable[[], SamplingPolicy] | None,
) -> Figures:
    """Return the figures.

    Raises:
        TypeError: when two parameters say the same, naming both.
        ValueError: for a value out of its range, naming the parameter and its variable.
    """
    flat = {"normal_fps": normal_fps, "burst_fps": burst_fps, "quality": quality}
    given = [name for name, value in flat.items() if value is not None]
    if video_params is not None:
        if given:
            raise TypeError(f"{given[0]} and video_params say the same: pass one of them")
        normal_fps, burst_fps, quality = video_params.normal_fps, video_params.burst_fps, video_params.quality
    if sampling is not None:
        rates = [name for name in given if name != "quality"] or (["video_params"] if video_params else [])
        if rates:
            raise TypeError(f"{rates[0]} and sampling say the same: pass one of them")
    normal = _number("normal_fps", normal_fps, NORMAL_FPS, float, lambda v: check_fps("normal_fps", v))
    burst = _number("burst_fps", burst_fps, BURST_FPS, float, lambda v: check_fps("burst_fps", v))
    jpeg = _number("quality", quality, QUALITY, int, check_quality)
    if burst < normal:
        raise ValueError(
            f"burst_fps ({burst!r}) must not be below normal_fps ({normal!r}); they come from the parameters, "
            f"else from {_VARIABLES['burst_fps']} and {_VARIABLES['normal_fps']}"
        )
    if not isinstance(cast("object", audio_params), AudioParams | None):
        raise TypeError(f"audio_params must be AudioParams(), not {audio_params!r}")
    audio = None if audio_params is None else AudioPace(audio_params.interval, normal, burst)
    return Figures(sampling or (lambda: AdaptiveSampling(normal, burst)), jpeg, audio)


def _number(name: str, given: N | None, default: N, read: Callable[[str], N], check: Callable[[N], N]) -> N:
    variable = _VARIABLES[name]
    if given is not None:
        value, origin = given, f"parameter {name}, else {variable}"
    else:
        text = os.environ.get(variable, "").strip()
        if not text:
            return default
        origin = f"from {variable}; parameter {name}"
        try:
            value = read(text)
        except ValueError:
            raise ValueError(f"{name} must be a number, not {text!r} ({origin})") from None
    try:
        return check(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{error} ({origin})") from None
