"""Where results go."""

from ds_actors.detection.sinks._sinks import CallbackSink, JsonLinesSink, LogSink, Sink
from ds_actors.detection.sinks._webhook import WebhookError, WebhookSink

__all__ = ["CallbackSink", "JsonLinesSink", "LogSink", "Sink", "WebhookError", "WebhookSink"]
