"""Hypothesis strategies for the events of a track; needs the extra `testing`.

Figures shrink towards small and round ones, so that counterexamples are readable.
"""

from __future__ import annotations

from collections.abc import Sequence

from ds_actors._extras import install_command
from ds_actors.detection.events import Level, TrackInfo
from ds_actors.detection.sampling import Promise
from ds_actors.testing._timeline import (
    Jump,
    LoseFrames,
    Mute,
    Outage,
    PassTime,
    ReceiveVerdict,
    Restart,
    ShowFrame,
    Speak,
    Step,
    Timeline,
    Unmute,
)

try:
    from hypothesis import strategies as st
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        f"the strategies need hypothesis: {install_command('testing')}", name="hypothesis"
    ) from None

__all__ = ["durations", "levels", "outages", "timelines", "tracks", "verdict_timelines"]

_USUAL = Promise(1.0, 0.2, 1.0, 5.0)


def levels(*, verdicts_only: bool = False) -> st.SearchStrategy[Level]:
    """Return a strategy of levels: all that the service answers, or only those that set a track's level."""
    return st.sampled_from([level for level in reversed(Level) if level.is_verdict or not verdicts_only])


def durations(promise: Promise = _USUAL) -> st.SearchStrategy[float]:
    """Return a strategy of seconds relevant to such a policy: from part of an interval to its settling."""
    short, long = 1 / promise.ceiling_fps, 1 / promise.floor_fps
    return st.one_of(
        st.integers(1, 12).map(lambda quarters: quarters * short / 4),
        st.integers(1, 12).map(lambda quarters: quarters * long / 4),
        st.integers(1, 6).map(lambda quarters: quarters * (promise.settles_within + long) / 4),
    )


def verdict_timelines(promise: Promise = _USUAL, *, max_size: int = 10) -> st.SearchStrategy[list[tuple[float, Level]]]:
    """Return a strategy of a service's answers for one track: pairs of seconds since the last answer, and a level."""
    return st.lists(st.tuples(durations(promise), levels()), max_size=max_size)


def outages(promise: Promise = _USUAL) -> st.SearchStrategy[Sequence[Step]]:
    """Return a strategy of short disturbances: an outage, samples without a frame, a clock jump, a crash."""
    return st.one_of(
        durations(promise).map(lambda seconds: (Outage(seconds),)),
        st.integers(1, 3).map(lambda samples: (LoseFrames(samples),)),
        st.one_of(durations(promise), st.sampled_from([60.0, 3_600.0, 86_400.0])).map(lambda seconds: (Jump(seconds),)),
        st.just((Restart(),)),
    )


def timelines(promise: Promise = _USUAL, *, max_size: int = 25) -> st.SearchStrategy[Timeline]:
    """Return a strategy of whole timelines: verdicts, mutes, speech, scenes and disturbances, in any order.

    Args:
        promise: the promise of the policy under test; its rates determine the durations.
        max_size: the most steps.
    """
    answered = st.tuples(durations(promise), levels()).map(lambda pair: (PassTime(pair[0]), ReceiveVerdict(pair[1])))
    settled = PassTime(promise.settles_within + 3 / promise.floor_fps)
    episode = st.tuples(levels(), durations(promise), st.sampled_from([Level.CLEAR, Level.ERROR]))
    alarm = (ReceiveVerdict(Level.ALERT), PassTime(2 * promise.answers_within), ReceiveVerdict(Level.CLEAR))
    alarms = st.integers(1, 20).map(lambda count: (*alarm, PassTime(1 / promise.floor_fps)) * count)
    step: st.SearchStrategy[Sequence[Step]] = st.one_of(
        durations(promise).map(lambda seconds: (PassTime(seconds),)),
        levels().map(lambda level: (ReceiveVerdict(level),)),
        *[answered] * 4,  # the most common step
        episode.map(lambda it: (ReceiveVerdict(it[0]), PassTime(it[1]), ReceiveVerdict(it[2]), settled)),
        durations(promise).map(lambda seconds: (Mute(), PassTime(seconds), Unmute())),
        st.sampled_from([(Mute(),), (Unmute(),)]),
        st.booleans().map(lambda active: (Speak(active),)),
        st.sampled_from([0, 100, 200]).map(lambda brightness: (ShowFrame(brightness),)),
        outages(promise),
        alarms,
    )
    # Hypothesis prefers short lists, but some faults need several steps; long lists shrink to short ones.
    lists = st.one_of(st.lists(step, max_size=max_size), st.lists(step, min_size=max_size // 2, max_size=max_size))
    steps = lists.map(lambda parts: tuple(step for part in parts for step in part))
    late = st.sampled_from([0.0, 0.03, 0.2]).map(lambda part: part / promise.ceiling_fps)
    return st.builds(
        Timeline,
        steps=steps,
        level=st.sampled_from([Level.UNKNOWN, Level.CLEAR, Level.ALERT]),
        late=late,
        size=st.sampled_from([50_000, 2_000, 400_000, 2_000_000]),
    )


_NAMES = st.one_of(
    st.sampled_from(["alice", "bob", "../etc/passwd", "[red]mallory", "a\nb", "\u202egnp", "", "💥" * 100]), st.text()
)


def tracks() -> st.SearchStrategy[TrackInfo]:
    """Return a strategy of untrusted tracks: any Unicode as identity and source, any kind."""
    return st.builds(
        TrackInfo,
        participant=_NAMES,
        track=st.from_regex(r"TR_[A-Za-z0-9]{1,12}", fullmatch=True),
        kind=st.sampled_from(["video", "audio"]),
        source=st.one_of(st.sampled_from(["camera", "screen_share", "microphone"]), _NAMES),
        participant_sid=st.from_regex(r"PA_[A-Za-z0-9]{1,12}", fullmatch=True),
    )
