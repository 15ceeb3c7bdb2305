"""The figures that users of the plugin are promised, as in `tests/detection/test_promised_figures.py`."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

FIGURES: list[tuple[str, str, Any]] = [
    ("_options", "NORMAL_FPS", 0.2),
    ("_options", "BURST_FPS", 1.0),
    ("_options", "QUALITY", 75),
    ("_room_sink", "PUBLISH_WITHIN", 5.0),
    ("_room_sink", "TRIES", 3),
    ("_pending", "KEPT_FOR", 60.0),
    ("_session", "CLOSE_WITHIN", 5.0),
    ("_session", "STREAMS_WITHIN", 2.0),
    ("_watcher", "SWEEP_EVERY", 10.0),
    ("_audio", "SAMPLE_RATE", 16_000),
    ("_audio", "BLOCK_MS", 100),
]


@pytest.mark.parametrize(("module", "name", "value"), FIGURES)
def test_a_promised_figure_of_the_plugin_is_what_it_was(module: str, name: str, value: Any) -> None:
    """In its modules."""
    assert getattr(importlib.import_module(f"livekit.plugins.dataspike.{module}"), name) == value
