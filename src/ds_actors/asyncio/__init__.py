"""A supervised tree beside an asyncio program: the tree runs in trio, in a thread of its own.

It needs anyio, which the extra `asyncio` brings.
"""

from ds_actors.asyncio._loop_bridge import LoopBridge, LoopClosed
from ds_actors.asyncio._supervisor_thread import SupervisorThread
from ds_actors.asyncio._trio_call import TreeEnded
from ds_actors.asyncio._trio_thread import TrioThread

__all__ = ["LoopBridge", "LoopClosed", "SupervisorThread", "TreeEnded", "TrioThread"]
