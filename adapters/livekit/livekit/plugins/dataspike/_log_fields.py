"""The room and the job as fields of log records, under the names that LiveKit's own records have."""

from __future__ import annotations

from livekit import rtc
from livekit.agents import JobContext

from ds_actors.detection.events import plain


def fields_of(room: rtc.Room, job: JobContext | None) -> dict[str, str]:
    """Return what is known by now: a job names its room before the connection, a room only after it."""
    known = {"room": room.name if room.isconnected() else ""}
    if job is not None:
        known = {"room": known["room"] or job.job.room.name, "job_id": job.job.id}
    return {name: plain(value) for name, value in known.items() if value}
