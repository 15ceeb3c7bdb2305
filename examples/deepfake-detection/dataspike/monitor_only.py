"""A worker without a voice agent that watches many rooms: python monitor_only.py dev

All its rooms share one process, so it can count the watched tracks: LiveKit sends a room to the worker that has the
most capacity left, and none to a full one. Run one worker per core.
"""

import logging
import os

from livekit.agents import AgentServer, AutoSubscribe, JobContext, JobExecutorType, cli
from livekit.plugins import dataspike

logger = logging.getLogger("deepfake-example")

# Tracks at 0.2 frames per second that one core can handle: measure it on your machine, with your cameras.
CAPACITY = int(os.environ.get("TRACKS_PER_WORKER", "200"))
detectors: set[dataspike.DataspikeDetector] = set()


def load(_server: AgentServer) -> float:
    """Return this worker's load, 0 to 1; LiveKit calls it in a thread, where `status()` is safe too."""
    watched = sum(len(detector.status().tracks) for detector in tuple(detectors))
    return min(1.0, watched / CAPACITY)


server = AgentServer(load_fnc=load, load_threshold=0.9, job_executor_type=JobExecutorType.THREAD)


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    detector = dataspike.DataspikeDetector(notify="changes")
    detectors.add(detector)

    async def forget() -> None:
        await detector.aclose()
        detectors.discard(detector)
        logger.info("watched: %s", detector.status().results)

    ctx.add_shutdown_callback(forget)
    # Nothing but the detector subscribes, so it pauses the forwarding of each track between two samples.
    await ctx.connect(auto_subscribe=AutoSubscribe.SUBSCRIBE_NONE)
    await detector.start(None, room=ctx.room)


if __name__ == "__main__":
    cli.run_app(server)
