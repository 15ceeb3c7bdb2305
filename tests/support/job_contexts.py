"""The context of a job as the plugin sees it, without a worker."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

from livekit.protocol import agent, models


def job_context(proc: object, *, room: str = "demo", job: str = "AJ_1") -> Any:
    """Return the context of a job in that room; it takes callbacks for the shutdown, and calls none."""
    info = agent.Job(id=job, room=models.Room(name=room))
    return Mock(proc=proc, job=info, is_fake_job=Mock(return_value=False))
