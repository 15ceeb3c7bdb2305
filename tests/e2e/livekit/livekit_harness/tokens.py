"""Tokens for a server's rooms."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from livekit import api

from livekit_harness.server import Server


def room_token(
    server: Server, room: str, identity: str, *, kind: Literal["standard", "agent"] = "standard", **grants: Any
) -> str:
    """Return a token that lets `identity` into `room` for an hour; `grants` are those of VideoGrants."""
    token = api.AccessToken(server.key, server.secret).with_identity(identity).with_kind(kind)
    return (
        token.with_grants(api.VideoGrants(room_join=True, room=room, **grants)).with_ttl(dt.timedelta(hours=1)).to_jwt()
    )
