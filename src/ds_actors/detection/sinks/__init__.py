"""Where results go."""

from ds_actors.detection.sinks._receiver import sign_webhook, verify_webhook
from ds_actors.detection.sinks._rotating import RotatingJsonLinesSink
from ds_actors.detection.sinks._signatures import WebhookSecret, WebhookVerificationError
from ds_actors.detection.sinks._sinks import (
    BufferingSink,
    CallbackSink,
    JsonLinesSink,
    LogSink,
    Sink,
    Undelivered,
    check_sink,
)
from ds_actors.detection.sinks._slack import SlackSink
from ds_actors.detection.sinks._throttled import Throttled
from ds_actors.detection.sinks._webhook import WebhookError, WebhookSink

__all__ = [
    "BufferingSink",
    "CallbackSink",
    "JsonLinesSink",
    "LogSink",
    "RotatingJsonLinesSink",
    "Sink",
    "SlackSink",
    "Throttled",
    "Undelivered",
    "WebhookError",
    "WebhookSecret",
    "WebhookSink",
    "WebhookVerificationError",
    "check_sink",
    "sign_webhook",
    "verify_webhook",
]
