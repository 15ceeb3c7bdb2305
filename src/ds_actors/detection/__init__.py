"""A live deepfake monitor: every track a supervised actor, one uplink, sinks that cannot hurt each other."""

from ds_actors.detection import _needed as _needed  # first of all
from ds_actors.detection.coverage import Coverage
from ds_actors.detection.embedded import EmbeddedParts, EmbeddedService
from ds_actors.detection.errors import Refused, Unreachable, UplinkError
from ds_actors.detection.events import Level, ResultEvent, ResultType, Sample, TrackInfo
from ds_actors.detection.levels.evidence import Evidence
from ds_actors.detection.monitor import Monitor
from ds_actors.detection.privacy import Privacy
from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Budget,
    Budgeted,
    DecayingSampling,
    EvidenceSampling,
    Fastest,
    Plan,
    Promise,
    SamplingPolicy,
    SceneSampling,
    SpeakerSampling,
)
from ds_actors.detection.service import Dataspike
from ds_actors.detection.sinks import (
    BufferingSink,
    CallbackSink,
    JsonLinesSink,
    LogSink,
    RotatingJsonLinesSink,
    Sink,
    SlackSink,
    Throttled,
    Undelivered,
    WebhookSecret,
    WebhookSink,
    WebhookVerificationError,
    sign_webhook,
    verify_webhook,
)
from ds_actors.detection.status import Status
from ds_actors.detection.tracks.encoding import EncodingError, Frame, FrameTooSmallError, encode_jpeg
from ds_actors.detection.tracks.scene import luma_signature
from ds_actors.detection.tracks.sources import ForecastSource, FrameSource, PcmSource, RequestingSource
from ds_actors.detection.uplink.ledger import LedgerRow

__all__ = [
    "AdaptiveSampling",
    "Budget",
    "Budgeted",
    "BufferingSink",
    "CallbackSink",
    "Coverage",
    "Dataspike",
    "DecayingSampling",
    "EmbeddedParts",
    "EmbeddedService",
    "EncodingError",
    "Evidence",
    "EvidenceSampling",
    "Fastest",
    "ForecastSource",
    "Frame",
    "FrameSource",
    "FrameTooSmallError",
    "JsonLinesSink",
    "LedgerRow",
    "Level",
    "LogSink",
    "Monitor",
    "PcmSource",
    "Plan",
    "Privacy",
    "Promise",
    "Refused",
    "RequestingSource",
    "ResultEvent",
    "ResultType",
    "RotatingJsonLinesSink",
    "Sample",
    "SamplingPolicy",
    "SceneSampling",
    "Sink",
    "SlackSink",
    "SpeakerSampling",
    "Status",
    "Throttled",
    "TrackInfo",
    "Undelivered",
    "Unreachable",
    "UplinkError",
    "WebhookSecret",
    "WebhookSink",
    "WebhookVerificationError",
    "encode_jpeg",
    "luma_signature",
    "sign_webhook",
    "verify_webhook",
]
