"""Whether a worker is registered, and whether its agent comes when it is dispatched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Final

from attrs import define
from livekit import api, rtc

from ds_actors._text import plain
from ds_actors.cli._doctor.livekit_connection import (
    API_ERRORS,
    joined,
    new_identity,
    new_token,
    open_api,
    own_room,
    publish_picture,
)
from ds_actors.cli._doctor.livekit_names import DISPATCH, WORKER
from ds_actors.cli._doctor.livekit_settings import LiveKitSettings
from ds_actors.cli._doctor.livekit_verdicts import DispatchView, judge_dispatch, judge_worker
from ds_actors.cli._doctor.result import CheckResult, failed

_EVERY: Final = 0.25
_AGENT: Final = api.ParticipantInfo.Kind.AGENT


async def check_dispatch(settings: LiveKitSettings, agent: str, timeout: float) -> AsyncGenerator[CheckResult]:
    """Open a room, ask for the agent, and yield whether a worker takes the job and whether the agent joins.

    Args:
        settings: the server's.
        agent: the name that the worker registered with; empty for automatic dispatch.
        timeout: seconds in which a worker must take the job, and again for its agent to join.
    """
    step = WORKER
    try:
        async with own_room(settings, timeout) as room, open_api(settings, timeout) as server:
            # A worker can ask for a room, for each participant or for each publisher: here is one of each.
            token = new_token(settings, room, new_identity(), can_publish=True)
            async with joined(settings.url, token, timeout) as participant:
                await publish_picture(participant, timeout)
                dispatch = _Dispatch(server, room, agent, timeout)
                began = time.monotonic()
                await dispatch.begin()
                view = await dispatch.wait(lambda view: view.was_taken)
                yield judge_worker(agent, view, timeout)
                if not view.was_taken:
                    return
                step = DISPATCH
                view = await dispatch.wait(lambda view: view.joined is not None or view.was_rejected)
                yield judge_dispatch(view, time.monotonic() - began, timeout)
    except TimeoutError:
        yield failed(step, f"the server did not answer within {timeout:g} s", "try again")
    except (rtc.ConnectError, *API_ERRORS) as error:
        yield failed(step, f"the server did not do it: {plain(str(error), 300)}", "try again; see the server's log")


@define
class _Dispatch:
    """A dispatch into a room, and what the server tells of it."""

    server: api.LiveKitAPI
    room: str
    agent: str
    timeout: float

    async def begin(self) -> None:
        """Ask for the agent by its name; without one, the server did so when the room was made."""
        if self.agent:
            request = api.CreateAgentDispatchRequest(agent_name=self.agent, room=self.room)
            async with asyncio.timeout(self.timeout):
                await self.server.agent_dispatch.create_dispatch(request)

    async def wait(self, done: Callable[[DispatchView], bool]) -> DispatchView:
        """Return what is seen once `done` says yes of it, or when the time is up."""
        end = time.monotonic() + self.timeout
        while True:
            async with asyncio.timeout(self.timeout):
                view = await self._look()
            if done(view) or time.monotonic() > end:
                return view
            await asyncio.sleep(_EVERY)

    async def _look(self) -> DispatchView:
        dispatches = await self.server.agent_dispatch.list_dispatch(self.room)
        listed = await self.server.room.list_participants(api.ListParticipantsRequest(room=self.room))
        agents = [participant.identity for participant in listed.participants if participant.kind == _AGENT]
        jobs = [job for found in dispatches if found.agent_name == self.agent for job in found.state.jobs]
        others = [job for found in dispatches if found.agent_name != self.agent for job in found.state.jobs]
        if self.agent:
            # An agent that another dispatch brought into the room is not the one that was asked for.
            expected = {job.state.participant_identity for job in jobs}
            agents = [identity for identity in agents if identity in expected]
        return DispatchView(
            was_taken=bool(jobs or agents),
            was_rejected=bool(jobs) and all(_was_rejected(job) for job in jobs),
            joined=agents[0] if agents else None,
            nameless_took=any(not job.agent_name for job in others),
        )


def _was_rejected(job: api.Job) -> bool:
    """Return whether a worker ended the job when it was offered, so that no other one is asked."""
    return job.state.status == api.JobStatus.JS_SUCCESS and not job.state.participant_identity
