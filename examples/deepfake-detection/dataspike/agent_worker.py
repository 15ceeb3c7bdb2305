"""A voice agent whose room is watched for deepfakes: python agent_worker.py dev

Needs LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET, DATASPIKE_API_KEY, and OPENAI_API_KEY for the voice.
"""

import logging

from dotenv import load_dotenv
from livekit.agents import Agent, AgentSession, JobContext, JobRequest, WorkerOptions, WorkerType, cli
from livekit.plugins import dataspike, openai

load_dotenv()
logger = logging.getLogger("deepfake-example")


def on_state(status: dataspike.Status) -> None:
    # Report when monitoring stops: the service refuses the key or cannot be reached.
    logger.info("detector: %s, uplink: %s", status.state, status.uplink.state)


async def entrypoint(ctx: JobContext) -> None:
    detector = dataspike.DataspikeDetector(state_cb=on_state)
    session: AgentSession[None] = AgentSession(llm=openai.realtime.RealtimeModel(voice="alloy"))
    # The detector's lifetime is tied to the room: it keeps watching when the voice session fails.
    await detector.start(session, room=ctx.room)
    await session.start(agent=Agent(instructions="Be brief and friendly."), room=ctx.room)


async def on_request(request: JobRequest) -> None:
    await request.accept(name="dataspike-agent")


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint, request_fnc=on_request, worker_type=WorkerType.ROOM))
