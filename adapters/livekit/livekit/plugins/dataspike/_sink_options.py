"""The detector's `sinks`, and the parameters about who receives results: checked together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from livekit.plugins.dataspike._callback_sink import Callback

from ds_actors.detection import Sink
from ds_actors.detection.sinks import check_sink

SinkOption = Sink | Literal["room"]


def resolve_sinks(
    sinks: Sequence[SinkOption] | None,
    callback: Callback | None,
    destinations: Sequence[str],
    *,
    mirror_levels: bool,
) -> tuple[SinkOption, ...]:
    """Return where results go besides the callback.

    Raises:
        ValueError: when a sink is neither "room" nor a sink, or two have the same name.
        TypeError: when a parameter has the wrong type, or two parameters exclude each other; names both.
    """
    if callback is not None and not callable(callback):
        raise TypeError(f"notification_cb must be a function, not {callback!r}")
    if isinstance(destinations, str):
        raise TypeError(f"destination_identities must be a list, as in [{destinations!r}]")
    if isinstance(sinks, str):
        raise TypeError(f"sinks must be a list, as in sinks=[{sinks!r}]")
    resolved = tuple(sinks) if sinks is not None else (() if callback is not None else ("room",))
    names = [_checked_name(sink) for sink in resolved]
    if len(set(names)) < len(names):
        raise ValueError("two sinks have the same name")
    if destinations and "room" not in names:
        raise TypeError("destination_identities say who in the room receives results, but sinks leaves the room out")
    if mirror_levels and (callback is not None or destinations):
        other = "notification_cb" if callback is not None else "destination_identities"
        raise TypeError(f"mirror_levels shows every level to everybody in the room, {other} does not: pass one of them")
    return resolved


def _checked_name(sink: SinkOption) -> str:
    if isinstance(sink, str):
        if sink != "room":
            raise ValueError(f'sinks may hold "room" and objects with a name and deliver(event), not {sink!r}')
        return sink
    check_sink(sink)
    if sink.name in ("room", "callback", "levels"):
        raise ValueError(f"your own sink cannot be called {sink.name!r}: the plugin uses that name")
    return sink.name
