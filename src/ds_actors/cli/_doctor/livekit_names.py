"""The names of the checks about LiveKit, in order. Pure."""

from __future__ import annotations

from typing import Final

SERVER: Final = "livekit server"
KEY: Final = "livekit key"
JOIN: Final = "livekit join"
GRANTS: Final = "livekit grants"
DATA: Final = "livekit data"
TRACKS: Final = "livekit tracks"
ENCRYPTION: Final = "livekit encryption"
WORKER: Final = "livekit worker"
DISPATCH: Final = "livekit dispatch"
STEPS: Final = (SERVER, KEY, JOIN, GRANTS, DATA, TRACKS, ENCRYPTION, WORKER, DISPATCH)
