"""When a track's next sample is due: the protocol of sampling policies, the policies and their parts.

`protocol` says what a policy is, `grid` keeps due times, `adaptive` goes by verdicts, `attention` by speech and scenes,
`combined` makes policies of policies.
"""

from ds_actors.detection.budget import Budget
from ds_actors.detection.sampling.activity import SceneSampling, SpeakerSampling
from ds_actors.detection.sampling.adaptive import AdaptiveSampling, DecayingSampling
from ds_actors.detection.sampling.combined import Budgeted, Fastest
from ds_actors.detection.sampling.grid import Grid
from ds_actors.detection.sampling.jitter import Jitter
from ds_actors.detection.sampling.protocol import (
    MAX_FPS,
    SHORTEST_GAP,
    Paused,
    Plan,
    Promise,
    Resumed,
    SampleDropped,
    SampleDue,
    SampleSent,
    SamplingEvent,
    SamplingPolicy,
    Scene,
    Speaking,
    Started,
    Verdict,
    check_fps,
    check_quality,
    check_seconds,
    make_policy,
)
from ds_actors.detection.sampling.undecided import EvidenceSampling

__all__ = [
    "MAX_FPS",
    "SHORTEST_GAP",
    "AdaptiveSampling",
    "Budget",
    "Budgeted",
    "DecayingSampling",
    "EvidenceSampling",
    "Fastest",
    "Grid",
    "Jitter",
    "Paused",
    "Plan",
    "Promise",
    "Resumed",
    "SampleDropped",
    "SampleDue",
    "SampleSent",
    "SamplingEvent",
    "SamplingPolicy",
    "Scene",
    "SceneSampling",
    "SpeakerSampling",
    "Speaking",
    "Started",
    "Verdict",
    "check_fps",
    "check_quality",
    "check_seconds",
    "make_policy",
]
