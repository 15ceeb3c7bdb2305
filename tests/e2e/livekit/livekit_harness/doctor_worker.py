"""A worker named AGENT_NAME whose agent does as DOCTOR_WORKER says: `joins`, `stays_away`, or `rejects` the job."""

import asyncio
import os

from livekit.agents import AgentServer, JobContext, JobRequest, cli

does = os.environ["DOCTOR_WORKER"]
server = AgentServer(load_fnc=lambda: 0.0)  # a busy machine would be sent no job


async def answer(request: JobRequest) -> None:
    """Take the job or not."""
    await (request.reject() if does == "rejects" else request.accept())


@server.rtc_session(agent_name=os.environ["AGENT_NAME"], on_request=answer)
async def agent(ctx: JobContext) -> None:
    """Join, or stay away as one that hangs before it connects."""
    if does == "joins":
        await ctx.connect()
    await asyncio.sleep(60)


if __name__ == "__main__":
    cli.run_app(server)
