"""Where results go."""

from ds_actors.detection.sinks._sinks import (
    BufferingSink,
    CallbackSink,
    JsonLinesSink,
    LogSink,
    Sink,
    Undelivered,
    check_sink,
)
from ds_actors.detection.sinks._webhook import WebhookError, WebhookSink

__all__ = [
    "BufferingSink",
    "CallbackSink",
    "JsonLinesSink",
    "LogSink",
    "Sink",
    "Undelivered",
    "WebhookError",
    "WebhookSink",
    "check_sink",
]
