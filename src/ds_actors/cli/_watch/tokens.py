"""The token of a monitor that watches a room in silence."""

from __future__ import annotations

import datetime as dt
from typing import Final

from livekit import api

from ds_actors.cli._doctor.livekit_settings import LiveKitSettings
from ds_actors.detection.short_secret import short_secret_permitted

_VALID_FOR: Final = dt.timedelta(minutes=10)


def silent_token(settings: LiveKitSettings, room: str, identity: str, *, hidden: bool) -> str:
    """Return a token of an agent that sees everything and can publish nothing."""
    grants = api.VideoGrants(
        room_join=True, room=room, can_subscribe=True, can_publish=False, can_publish_data=False, hidden=hidden
    )
    token = api.AccessToken(settings.key, settings.secret).with_identity(identity).with_ttl(_VALID_FOR)
    with short_secret_permitted(settings.url):
        return token.with_kind("agent").with_grants(grants).to_jwt()
