"""Where results go."""

from ds_actors.detection.sinks._sinks import CallbackSink, JsonLinesSink, LogSink, Sink, Undelivered

__all__ = ["CallbackSink", "JsonLinesSink", "LogSink", "Sink", "Undelivered"]
