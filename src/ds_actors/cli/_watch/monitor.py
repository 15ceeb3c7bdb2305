"""The LiveKit plugin, in a process of its own, as a silent participant of somebody's room."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Never

from attrs import define, field
from livekit import api

from ds_actors import Actor
from ds_actors.cli._doctor.livekit_settings import LiveKitSettings
from ds_actors.cli._room import child_process
from ds_actors.detection.short_secret import short_secret_permitted

_PROGRAM: Final = Path(child_process.__file__).with_name("watcher.py")
_VALID_FOR: Final = dt.timedelta(minutes=10)


def silent_token(settings: LiveKitSettings, room: str, identity: str, *, hidden: bool) -> str:
    """Return a token of an agent that sees everything and can publish nothing."""
    grants = api.VideoGrants(
        room_join=True, room=room, can_subscribe=True, can_publish=False, can_publish_data=False, hidden=hidden
    )
    token = api.AccessToken(settings.key, settings.secret).with_identity(identity).with_ttl(_VALID_FOR)
    with short_secret_permitted(settings.url):
        return token.with_kind("agent").with_grants(grants).to_jwt()


@define(eq=False)
class SilentMonitor(Actor[Never]):
    """Watches a room and reports; each of its restarts joins the room anew, with a new token."""

    make_environment: Callable[[], dict[str, str]] = field(repr=False)
    """Makes what each process gets besides this process's own variables."""
    take: Callable[[dict[str, Any]], None]
    """Called with each event of the process."""
    log: Callable[[str], None]
    """Called with each line that the process logs."""

    async def started(self) -> None:
        """Start it; it joins the room in its own time."""
        process = child_process.ChildProcess(
            [sys.executable, "-P", _PROGRAM, "--silent"],
            self.make_environment(),
            on_line=lambda line: self.take(json.loads(line)),
            on_log=self.log,
        )
        self.context.spawn(process.run)
