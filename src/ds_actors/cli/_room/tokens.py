"""Tokens that let participants into the room; needs LiveKit's API, which the adapter brings."""

from __future__ import annotations

import datetime as dt
from typing import Final

from livekit import api

from ds_actors.cli._room.plan import DETECTOR, ROOM, RoomPlan

_VALID_FOR: Final = dt.timedelta(hours=6)


def participant_token(plan: RoomPlan, identity: str, name: str) -> str:
    """Return a token of a person in the page: it may publish and subscribe, and is no agent."""
    grants = api.VideoGrants(room_join=True, room=ROOM, can_publish=True, can_subscribe=True, can_publish_data=True)
    return _token(plan, identity).with_kind("standard").with_name(name).with_grants(grants).to_jwt()


def detector_token(plan: RoomPlan) -> str:
    """Return the monitor's token: an agent that publishes data, and no media."""
    grants = api.VideoGrants(room_join=True, room=ROOM, can_publish=False, can_subscribe=True, can_publish_data=True)
    return _token(plan, DETECTOR).with_kind("agent").with_grants(grants).to_jwt()


def _token(plan: RoomPlan, identity: str) -> api.AccessToken:
    return api.AccessToken(plan.key, plan.secret).with_identity(identity).with_ttl(_VALID_FOR)
