"""The same voice agent in LiveKit's newer form, with a callback for alerts: python agent_server.py dev"""

import logging

from dotenv import load_dotenv
from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli
from livekit.plugins import dataspike, openai

load_dotenv()
logger = logging.getLogger("deepfake-example")
server = AgentServer()


async def on_result(event: dataspike.ResultEvent) -> None:
    # Awaited on the agent's loop; one participant's results do not wait for another's. Its errors and hangs stay local.
    if event.level is dataspike.Level.ALERT:
        logger.warning("alert", extra={"lk.pii.participant": event.participant_id})


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    # With a callback, the room receives nothing unless `sinks` includes it.
    detector = dataspike.DataspikeDetector(notification_cb=on_result, notify="changes", sinks=["room"])
    await ctx.connect()
    session: AgentSession[None] = AgentSession(llm=openai.realtime.RealtimeModel(voice="alloy"))
    await detector.start(session, room=ctx.room)
    await session.start(agent=Agent(instructions="Be brief and friendly."), room=ctx.room)


if __name__ == "__main__":
    cli.run_app(server)
