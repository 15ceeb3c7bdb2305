"""Hypothesis strategies for what may happen to a track; needs the extra `testing`.

Figures shrink towards few and round ones, so that a counterexample can be read.
"""

from __future__ import annotations

from collections.abc import Sequence

from ds_actors.detection.events import Level, TrackInfo
from ds_actors.detection.sampling import Promise
from ds_actors.testing._timeline import (
    Judge,
    Jump,
    Lose,
    Mute,
    Outage,
    Pass,
    Restart,
    Show,
    Speak,
    Step,
    Timeline,
    Unmute,
)

try:
    from hypothesis import strategies as st
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        'the strategies need hypothesis: pip install "ds-actors[testing]" (in a clone: ".[testing]")', name="hypothesis"
    ) from None

__all__ = ["durations", "levels", "outages", "timelines", "tracks", "verdict_timelines"]

_USUAL = Promise(1.0, 0.2, 1.0, 5.0)


def levels(*, verdicts_only: bool = False) -> st.SearchStrategy[Level]:
    """Return a strategy of levels: those the service answers with, or only those that set a track's level."""
    return st.sampled_from([one for one in reversed(Level) if one.is_verdict or not verdicts_only])


def durations(promise: Promise = _USUAL) -> st.SearchStrategy[float]:
    """Return a strategy of seconds that matter to such a policy: from a part of a sample's interval to its settling."""
    short, long = 1 / promise.ceiling_fps, 1 / promise.floor_fps
    return st.one_of(
        st.integers(1, 12).map(lambda quarters: quarters * short / 4),
        st.integers(1, 12).map(lambda quarters: quarters * long / 4),
        st.integers(1, 6).map(lambda quarters: quarters * (promise.settles_within + long) / 4),
    )


def verdict_timelines(promise: Promise = _USUAL, *, max_size: int = 10) -> st.SearchStrategy[list[tuple[float, Level]]]:
    """Return a strategy of what a service says of one track: pairs of seconds since the last answer, and a level."""
    return st.lists(st.tuples(durations(promise), levels()), max_size=max_size)


def outages(promise: Promise = _USUAL) -> st.SearchStrategy[Sequence[Step]]:
    """Return a strategy of short troubles: the service away, samples without a frame, the clock jumping, a crash."""
    return st.one_of(
        durations(promise).map(lambda seconds: (Outage(seconds),)),
        st.integers(1, 3).map(lambda samples: (Lose(samples),)),
        st.one_of(durations(promise), st.sampled_from([60.0, 3_600.0, 86_400.0])).map(lambda seconds: (Jump(seconds),)),
        st.just((Restart(),)),
    )


def timelines(promise: Promise = _USUAL, *, max_size: int = 25) -> st.SearchStrategy[Timeline]:
    """Return a strategy of whole lives of a track: verdicts, mutes, speech, scenes, and troubles, in any order.

    Args:
        promise: of the policy that they are for; durations go by its rates.
        max_size: steps, at most.
    """
    judged = st.tuples(durations(promise), levels()).map(lambda pair: (Pass(pair[0]), Judge(pair[1])))
    settled = Pass(promise.settles_within + 3 / promise.floor_fps)
    episode = st.tuples(levels(), durations(promise), st.sampled_from([Level.CLEAR, Level.ERROR]))
    step: st.SearchStrategy[Sequence[Step]] = st.one_of(
        durations(promise).map(lambda seconds: (Pass(seconds),)),
        levels().map(lambda level: (Judge(level),)),
        *[judged] * 4,  # most of what happens
        episode.map(lambda it: (Judge(it[0]), Pass(it[1]), Judge(it[2]), settled)),
        durations(promise).map(lambda seconds: (Mute(), Pass(seconds), Unmute())),
        st.sampled_from([(Mute(),), (Unmute(),)]),
        st.booleans().map(lambda active: (Speak(active),)),
        st.sampled_from([0, 100, 200]).map(lambda brightness: (Show(brightness),)),
        outages(promise),
    )
    # Hypothesis draws short lists; what takes several steps to show needs long ones, which shrink to short ones.
    lists = st.one_of(st.lists(step, max_size=max_size), st.lists(step, min_size=max_size // 2, max_size=max_size))
    steps = lists.map(lambda parts: tuple(one for part in parts for one in part))
    late = st.sampled_from([0.0, 0.03, 0.2]).map(lambda part: part / promise.ceiling_fps)
    return st.builds(
        Timeline,
        steps=steps,
        level=st.sampled_from([Level.UNKNOWN, Level.CLEAR, Level.ALERT]),
        late=late,
        size=st.sampled_from([50_000, 2_000, 400_000]),
    )


_NAMES = st.one_of(
    st.sampled_from(["alice", "bob", "../etc/passwd", "[red]mallory", "a\nb", "\u202egnp", "", "💥" * 100]), st.text()
)


def tracks() -> st.SearchStrategy[TrackInfo]:
    """Return a strategy of tracks as strangers name them: any Unicode as identity and source, any kind."""
    return st.builds(
        TrackInfo,
        participant=_NAMES,
        track=st.from_regex(r"TR_[A-Za-z0-9]{1,12}", fullmatch=True),
        kind=st.sampled_from(["video", "audio"]),
        source=st.one_of(st.sampled_from(["camera", "screen_share", "microphone"]), _NAMES),
        participant_sid=st.from_regex(r"PA_[A-Za-z0-9]{1,12}", fullmatch=True),
    )
