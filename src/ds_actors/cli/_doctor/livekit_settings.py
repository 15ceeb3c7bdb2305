"""Where LiveKit's server is, and what the user asks about there."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from ds_actors.cli._doctor.environment import LIVEKIT_TOKEN, LIVEKIT_VARIABLES
from ds_actors.cli._doctor.livekit_url import shown_url


@frozen
class LiveKitSettings:
    """Where LiveKit's server is, and what signs or is the participants' token."""

    url: str = field(repr=shown_url)
    key: str = field(repr=False)
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    """The token to check in place of one made by the doctor."""


@frozen
class LiveKitTargets:
    """What the user asks about by name."""

    room: str | None = None
    """The room whose tracks are looked at."""
    agent: str | None = None
    """The name that the agent's worker registers with; empty for automatic dispatch."""


def read_livekit(environment: Mapping[str, str]) -> LiveKitSettings | None:
    """Return LiveKit's settings, or None unless all three variables are set."""
    url, key, secret = (environment.get(name, "").strip() for name in LIVEKIT_VARIABLES)
    if not (url and key and secret):
        return None
    return LiveKitSettings(url, key, secret, environment.get(LIVEKIT_TOKEN, "").strip() or None)
