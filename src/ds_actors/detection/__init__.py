"""A live deepfake monitor: every track a supervised actor, one uplink, sinks that cannot hurt each other."""

import ds_actors.detection._needed  # noqa: F401 - first of all
from ds_actors.detection.coverage import Coverage
from ds_actors.detection.encoding import EncodingError, Frame, encode_jpeg
from ds_actors.detection.errors import Refused, Unreachable, UplinkError
from ds_actors.detection.events import Level, ResultEvent, ResultType, Sample, TrackInfo
from ds_actors.detection.monitor import Monitor
from ds_actors.detection.sampling import AdaptiveSampling, Plan, Promise, SamplingPolicy
from ds_actors.detection.service import Dataspike
from ds_actors.detection.sinks import CallbackSink, JsonLinesSink, LogSink, Sink, WebhookSink
from ds_actors.detection.sources import FrameSource, PcmSource
from ds_actors.detection.status import Status

__all__ = [
    "AdaptiveSampling",
    "CallbackSink",
    "Coverage",
    "Dataspike",
    "EncodingError",
    "Frame",
    "FrameSource",
    "JsonLinesSink",
    "Level",
    "LogSink",
    "Monitor",
    "PcmSource",
    "Plan",
    "Promise",
    "Refused",
    "ResultEvent",
    "ResultType",
    "Sample",
    "SamplingPolicy",
    "Sink",
    "Status",
    "TrackInfo",
    "Unreachable",
    "UplinkError",
    "WebhookSink",
    "encode_jpeg",
]
