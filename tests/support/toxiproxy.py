"""Toxiproxy in front of a port, for as long as a block: real sockets, disturbed on command."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

import httpx
import trio
from attrs import define
from livekit_harness.ports import free_port

_PROXY: Final = "/proxies/p"
_STARTS_WITHIN: Final = 40.0

Direction = Literal["upstream", "downstream"]
BOTH: Final[tuple[Direction, ...]] = ("upstream", "downstream")


@define(eq=False)
class Toxiproxy:
    """One proxy of its own process."""

    port: int
    _api: httpx.AsyncClient

    async def add(self, kind: str, *directions: Direction, **attributes: int) -> None:
        """Disturb data in these directions, both when none is given; live connections too."""
        for direction in directions or BOTH:
            toxic = {"name": f"{kind}-{direction}", "type": kind, "stream": direction, "attributes": attributes}
            await self._post(f"{_PROXY}/toxics", toxic)

    async def clear(self) -> None:
        """Remove every disturbance; connections in a black hole are closed by that."""
        await self._post("/reset", {})

    async def take_down(self) -> None:
        """Stop listening and close every connection."""
        await self._post(_PROXY, {"enabled": False})

    async def _post(self, path: str, content: dict[str, Any]) -> None:
        (await self._api.post(path, json=content)).raise_for_status()


@asynccontextmanager
async def open_toxiproxy(program: Path, target: int) -> AsyncGenerator[Toxiproxy]:
    """Run toxiproxy in front of a port of 127.0.0.1."""
    control = free_port()
    command = [str(program), "-host", "127.0.0.1", "-port", str(control)]
    process = await trio.to_thread.run_sync(_start, command)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{control}", trust_env=False, timeout=20) as api:
            with trio.fail_after(_STARTS_WITHIN):
                while not await _answers(api):
                    await trio.sleep(0.02)
            settings = {"name": "p", "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{target}", "enabled": True}
            made = (await api.post("/proxies", json=settings)).raise_for_status().json()
            yield Toxiproxy(int(made["listen"].rpartition(":")[2]), api)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(process.wait)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def _answers(api: httpx.AsyncClient) -> bool:
    try:
        return (await api.get("/version")).is_success
    except httpx.TransportError:
        return False
