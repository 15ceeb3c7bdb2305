"""The soak's service in a process of its own, which is killed and started again; orders begin and end its faults.

python tests/soak/service_process.py PORT    # 0 for any; it prints the port, and reads one order a line
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

import trio
from attrs import define

from ds_actors.sandbox import open_sandbox
from ds_actors.sandbox.faults import (
    CloseOnAccept,
    Drop,
    Fault,
    Garbage,
    Oversized,
    Refuse,
    RefuseConnections,
    Silence,
    Slow,
)

FAULTS: Final[dict[str, Fault]] = {
    "refused key": Refuse(503),
    "retry after": Refuse(429, 1),
    "down": RefuseConnections(),
    "close 1011": CloseOnAccept(1011, 0.2),
    "silence": Silence(),
    "slow": Slow(1.0),
    "garbage": Garbage(),
    "oversized": Oversized(),
    "drop": Drop(),
}


@define(eq=False)
class ServiceProcess:
    """The service in another process, killed and started again at the same port."""

    port: int = 0
    _process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it where it does not run, and wait until it listens."""
        if self._process is not None:
            return
        arguments = [sys.executable, __file__, str(self.port)]
        with trio.CancelScope(shield=True):
            self._process = await trio.to_thread.run_sync(_started, arguments)
            assert self._process.stdout is not None
            self.port = int(await trio.to_thread.run_sync(self._process.stdout.readline))

    def command(self, fault: str, *, begin: bool) -> None:
        """Begin a fault, or end them all; nothing where it does not run."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"fault": fault, "begin": begin}).encode() + b"\n")
            self._process.stdin.flush()

    def kill(self) -> None:
        """Kill it in the middle of whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.stdout.close()


def _started(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def _serve(port: int) -> None:
    async with open_sandbox(port=port) as sandbox:
        print(sandbox.port, flush=True)
        while line := await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            order: dict[str, Any] = json.loads(line)
            if order["begin"]:
                sandbox.faults.begin(FAULTS[order["fault"]])
            else:
                sandbox.faults.clear()


if __name__ == "__main__":
    trio.run(_serve, int(sys.argv[1]))
