"""The detector's sampling parameters: the argument, else what the settings say; each is checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeVar, cast

from attrs import frozen

from ds_actors.detection import AdaptiveSampling, SamplingPolicy
from ds_actors.detection.sampling import check_fps, check_quality
from ds_actors.detection.settings import MonitorSettings
from ds_actors.detection.tracks.speech import CHUNK_SAMPLES, SAMPLE_RATE, AudioPace

N = TypeVar("N", int, float)
T = TypeVar("T")

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
    """How video is sampled, as in version 1.2; the parameters `normal_fps`, `burst_fps` and `quality` do the same.

    Args:
        burst_fps: frames per second from a track that is suspicious or alert; at least normal_fps.
        normal_fps: frames per second from any other track; above 0, at most 30.
        quality: JPEG quality, 0 to 100.

    Raises:
        ValueError: when a value is out of range; names it.
    """

    burst_fps: float = BURST_FPS
    normal_fps: float = NORMAL_FPS
    quality: int = QUALITY

    def __attrs_post_init__(self) -> None:
        AdaptiveSampling(self.normal_fps, self.burst_fps)
        check_quality(self.quality)


@frozen
class AudioParams:
    """Turns the check of microphones on, and says how often they are sampled.

    Args:
        sample_rate: 16,000 Hz, the only rate that the service accepts.
        sample_size: 48,000 samples per chunk (3 s), the only size that the service accepts.
        interval: seconds between two chunks of a microphone; above 0. While its level is suspicious or alert, the
            interval is interval * normal_fps / burst_fps, but never less than 3 s.

    Raises:
        ValueError: when a value is out of range; names it.
    """

    sample_rate: int = SAMPLE_RATE
    sample_size: int = CHUNK_SAMPLES
    interval: float = 60.0

    def __attrs_post_init__(self) -> None:
        for name, only in (("sample_rate", SAMPLE_RATE), ("sample_size", CHUNK_SAMPLES)):
            if getattr(self, name) != only:
                raise ValueError(f"{name} must be {only}: the service accepts nothing else")
        if isinstance(self.interval, bool) or not (math.isfinite(self.interval) and self.interval > 0):
            raise ValueError(f"interval must be a finite number of seconds above 0, not {self.interval!r}")


@frozen
class Figures:
    """The resolved sampling parameters."""

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
    configured: MonitorSettings,
) -> Figures:
    """Return the resolved sampling parameters; those that are not given are those of the settings.

    Raises:
        TypeError: when two parameters mean the same; names both.
        ValueError: when a value is out of range; names the parameter and its variable.
    """
    flat = {"normal_fps": normal_fps, "burst_fps": burst_fps, "quality": quality}
    given = [name for name, value in flat.items() if value is not None]
    if video_params is not None:
        if given:
            raise TypeError(f"{given[0]} and video_params mean the same: pass one of them")
        normal_fps, burst_fps, quality = video_params.normal_fps, video_params.burst_fps, video_params.quality
    if sampling is not None:
        rates = [name for name in given if name != "quality"] or (["video_params"] if video_params else [])
        if rates:
            raise TypeError(f"{rates[0]} and sampling mean the same: pass one of them")
    normal = _checked("normal_fps", normal_fps, configured.normal_fps, lambda v: check_fps("normal_fps", v))
    burst = _checked("burst_fps", burst_fps, configured.burst_fps, lambda v: check_fps("burst_fps", v))
    jpeg = _checked("quality", quality, configured.quality, check_quality)
    if burst < normal:
        raise ValueError(
            f"burst_fps ({burst!r}) must not be below normal_fps ({normal!r}); they come from the parameters, "
            f"else from {_VARIABLES['burst_fps']} and {_VARIABLES['normal_fps']}, else from the settings' file"
        )
    if not isinstance(cast("object", audio_params), AudioParams | None):
        raise TypeError(f"audio_params must be AudioParams(), not {audio_params!r}")
    audio = None if audio_params is None else AudioPace(audio_params.interval, normal, burst)
    return Figures(sampling or (lambda: AdaptiveSampling(normal, burst)), jpeg, audio)


def chosen(given: T | None, configured: T) -> T:
    """Return a parameter, or what the settings say when it is not given."""
    return configured if given is None else given


def _checked(name: str, given: N | None, configured: N, check: Callable[[N], N]) -> N:
    if given is None:
        return configured
    try:
        return check(given)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{error} (parameter {name}, else {_VARIABLES[name]})") from None
