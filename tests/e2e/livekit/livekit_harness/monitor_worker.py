"""A worker that only monitors, in the AgentServer form, for tests of LiveKit's dispatch; AGENT_NAME names it."""

import os

from livekit.agents import AgentServer, AutoSubscribe, JobContext, cli
from livekit.plugins import dataspike

MOST_ROOMS = 10


def load(worker: AgentServer) -> float:
    """Say how full this worker is by its rooms: of a busy machine's CPU the server would send none."""
    return min(1.0, len(worker.active_jobs) / MOST_ROOMS)


server = AgentServer(load_fnc=load)


@server.rtc_session(agent_name=os.environ.get("AGENT_NAME", ""))
async def monitor(ctx: JobContext) -> None:
    """Join and watch."""
    await ctx.connect(auto_subscribe=AutoSubscribe.VIDEO_ONLY)
    await dataspike.DataspikeDetector().start(None, room=ctx.room)


if __name__ == "__main__":
    cli.run_app(server)
