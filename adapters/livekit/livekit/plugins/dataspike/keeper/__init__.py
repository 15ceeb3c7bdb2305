"""No room unwatched: a program that requests dispatches for rooms whose detector is missing or dead."""

from livekit.plugins.dataspike.keeper._keeper import RoomKeeper
from livekit.plugins.dataspike.keeper.status import KeeperStatus

__all__ = ["KeeperStatus", "RoomKeeper"]
