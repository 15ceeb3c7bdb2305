"""Where results go."""

from ds_actors.detection.sinks._sinks import CallbackSink, JsonLinesSink, LogSink, Sink, Undelivered, check_sink
from ds_actors.detection.sinks._webhook import WebhookError, WebhookSink

__all__ = [
    "CallbackSink",
    "JsonLinesSink",
    "LogSink",
    "Sink",
    "Undelivered",
    "WebhookError",
    "WebhookSink",
    "check_sink",
]
