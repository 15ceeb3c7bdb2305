"""Whether LiveKit can be checked, and what its answers mean; LiveKit itself is imported only when it is asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import field, frozen

from ds_actors.cli._adapter import checkout, install_command
from ds_actors.cli._doctor.environment import LIVEKIT_TOKEN, LIVEKIT_VARIABLES
from ds_actors.cli._doctor.result import CheckResult, failed, passed, skipped, warned

SERVER: Final = "livekit server"
KEY: Final = "livekit key"
JOIN: Final = "livekit join"
GRANTS: Final = "livekit grants"
DATA: Final = "livekit data"
STEPS: Final = (SERVER, KEY, JOIN, GRANTS, DATA)
_NOT_TRIED: Final = "not tried: an earlier check failed"


@frozen
class LiveKitSettings:
    """Where LiveKit's server is, and what signs or is the participants' token."""

    url: str
    key: str = field(repr=False)
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    """The token to check in place of one made by the doctor."""


def read_livekit(environment: Mapping[str, str]) -> LiveKitSettings | None:
    """Return LiveKit's settings, or None unless all three variables are set."""
    url, key, secret = (environment.get(name, "").strip() for name in LIVEKIT_VARIABLES)
    if not (url and key and secret):
        return None
    return LiveKitSettings(url, key, secret, environment.get(LIVEKIT_TOKEN, "").strip() or None)


def run(environment: Mapping[str, str], timeout: float) -> Iterator[CheckResult]:
    """Yield the results about LiveKit; each step may take `timeout` seconds."""
    settings = read_livekit(environment)
    if settings is None:
        yield skipped(SERVER, f"{', '.join(LIVEKIT_VARIABLES)} are not all set")
        return
    if not has_livekit():
        text = "LiveKit's variables are set, but livekit-agents is not installed in this environment"
        yield failed(SERVER, text, install_command(checkout()))
        return
    from ds_actors.cli._doctor import livekit_room  # noqa: PLC0415 - LiveKit may not be installed

    results = livekit_room.run(settings, timeout)
    yield from results
    reached = {result.name for result in results}
    yield from (skipped(name, _NOT_TRIED) for name in STEPS if name not in reached)


def has_livekit() -> bool:
    """Return whether LiveKit's SDK and its API for servers are installed."""
    try:
        return all(importlib.util.find_spec(name) is not None for name in ("livekit.rtc", "livekit.api"))
    except ModuleNotFoundError:
        return False


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
