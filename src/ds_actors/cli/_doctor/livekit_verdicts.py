"""What was seen of a participant's grants, a room's tracks, a worker and its agent, judged. Pure."""

from __future__ import annotations

from attrs import frozen

from ds_actors._text import counted, plain
from ds_actors.cli._doctor.livekit_names import DISPATCH, ENCRYPTION, GRANTS, TRACKS, WORKER
from ds_actors.cli._doctor.result import CheckResult, failed, passed, warned


def judge_grants(*, can_subscribe: bool, can_publish_data: bool, hidden: bool) -> CheckResult:
    """Judge what the server permits a participant that is to monitor a room."""
    missing = [
        name
        for name, granted in (
            ("can_subscribe (without it, no frames arrive)", can_subscribe),
            ("can_publish_data (without it, the room receives no alerts)", can_publish_data),
        )
        if not granted
    ]
    if missing:
        fix = "grant it in the agent's token, or in the permissions of the worker (WorkerPermissions)"
        return failed(GRANTS, f"missing: {', '.join(missing)}", fix)
    if hidden:
        text = "hidden: receivers do not see who sent an alert, and those that trust only the agent's packets ignore it"
        return warned(GRANTS, text, "leave hidden out of the agent's token or permissions")
    return passed(GRANTS, "can subscribe and publish data, and is not hidden")


@frozen
class RoomView:
    """What a subscriber sees of a room; agents and their tracks do not count."""

    people: int
    tracks: int
    muted: int
    encrypted: int
    """Tracks whose frames are encrypted from end to end."""
    tried: int
    """Tracks that were subscribed to for a moment."""
    subscribed: int
    """How many of those the server delivered."""
    may_subscribe: bool


def judge_tracks(room: str, view: RoomView, timeout: float) -> CheckResult:
    """Judge whether a monitor in the room would have something to look at."""
    name = f"room {plain(room, 100)!r}"
    details = {"participants": f"{view.people:,}", "tracks": f"{view.tracks:,}", "muted": f"{view.muted:,}"}
    if view.people == 0:
        fix = "join that room with a camera, and compare the room's name with the one that the agent is sent to"
        return warned(TRACKS, f"{name} has no participants but agents", fix, **details)
    people = counted(view.people, "participant")
    if view.tracks == 0:
        fix = "publish a camera in that room; the publisher's token needs can_publish"
        return warned(TRACKS, f"no track is visible in {name}, which has {people}", fix, **details)
    tracks = f"{counted(view.tracks, 'track')} of {people} visible in {name}"
    if not view.may_subscribe:
        fix = "grant can_subscribe in the agent's token, or in the permissions of the worker (WorkerPermissions)"
        return warned(TRACKS, f"{tracks}, but the token does not permit subscribing to them", fix, **details)
    if view.subscribed < view.tried:
        fix = (
            "have the publishers permit the agent (their track subscription permissions); "
            "if they do, check the media ports in the firewall"
        )
        missing = f"{view.tried - view.subscribed:,} of {view.tried:,} could not be subscribed to within {timeout:g} s"
        return warned(TRACKS, f"{tracks}, but {missing}", fix, **details)
    return passed(TRACKS, f"{tracks}; {view.subscribed:,} subscribed to", **details)


def judge_encryption(view: RoomView) -> CheckResult:
    """Judge whether the frames of the room's tracks, of which there is at least one, can be judged."""
    fix = (
        "give the agent the room's key, as in ctx.connect(encryption=...), or publish without end-to-end encryption; "
        "without the right key, a track's coverage is encrypted"
    )
    if view.encrypted == 0:
        return passed(ENCRYPTION, "no track is encrypted from end to end")
    if view.encrypted < view.tracks:
        text = f"{view.encrypted:,} of {counted(view.tracks, 'track')} encrypted from end to end"
        return warned(ENCRYPTION, f"{text}: only an agent with the room's key can have them judged", fix)
    text = "every track is encrypted from end to end"
    return failed(ENCRYPTION, f"{text}: only an agent with the room's key can have them judged", fix)


@frozen
class DispatchView:
    """What the server tells of a dispatch: who took it, and who joined."""

    was_taken: bool
    """Whether a worker took the job."""
    was_rejected: bool = False
    """Whether a worker answered, and wants no other worker to be asked."""
    joined: str | None = None
    """The agent's identity."""
    nameless_took: bool = False
    """Whether a worker without a name took the automatic dispatch of the same room."""


def judge_worker(agent: str, view: DispatchView, timeout: float) -> CheckResult:
    """Judge whether a worker is registered under a name; the empty name stands for automatic dispatch."""
    same = "start the worker with this LIVEKIT_URL and this key"
    full = "if it is registered, look at its load: LiveKit sends no job to a worker at its load_threshold"
    if not agent:
        if view.was_taken:
            return passed(WORKER, "a worker took the automatic dispatch of a new room")
        text = f"no worker took the automatic dispatch of a new room within {timeout:g} s: none without a name"
        fix = f"{same}; one with an agent_name is sent to no room by itself: check it with --agent NAME; {full}"
        return failed(WORKER, f"{text} is registered, or all are full", fix)
    name = repr(plain(agent, 100))
    if view.was_taken:
        return passed(WORKER, f"a worker registered as {name} took the job")
    text = f"no worker took a job for {name} within {timeout:g} s: none is registered under that name, or all are full"
    if view.nameless_took:
        text += "; a worker without a name took the automatic dispatch of the same room"
        return failed(WORKER, text, f'set agent_name={name} in the worker, or check it with --agent ""')
    return failed(WORKER, text, f"{same}, and compare its agent_name; {full}")


def judge_dispatch(view: DispatchView, seconds: float, timeout: float) -> CheckResult:
    """Judge whether the agent of a job that was taken joined the room."""
    if view.joined is not None:
        return passed(DISPATCH, f"{plain(view.joined, 100)} joined a new room after {seconds:.1f} s")
    if view.was_rejected:
        fix = "have on_request accept the job: the worker's log says why it does not"
        return failed(DISPATCH, "a worker is registered, but rejected the job", fix)
    fix = (
        "look into the worker's log; the entrypoint must await ctx.connect(); "
        "a job's process that starts slowly needs a longer --timeout, or idle processes (num_idle_processes)"
    )
    return failed(DISPATCH, f"a worker took the job, but no agent joined within {timeout:g} s", fix)
