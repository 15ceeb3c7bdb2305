"""The gateway, as a process of its own, over real sockets, with its helper killed and itself interrupted."""

from __future__ import annotations

import os
import re
import runpy
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trio
import trio.testing
from waiting import until, until_in_trio

from ds_actors import ChildSpec, Group, PoolSpec, Supervisor

PROGRAM = Path(__file__).parents[2] / "examples" / "gateway.py"


@pytest.fixture(name="gateway")
def _gateway() -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    code = f"import sys, runpy, trio\ntrio.run(runpy.run_path({str(PROGRAM)!r})['serve'], 0, 0)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port, status = (int(process.stdout.readline().split()[-1]) for _ in range(2))
        yield process, port, f"http://127.0.0.1:{status}"
        process.kill()


def clocks(process: subprocess.Popen[str]) -> list[int]:
    """Return the helper programs below that process; the guard stands between."""
    found = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in found.splitlines()[1:]]
    below = {process.pid}
    for _ in range(3):
        below |= {int(pid) for pid, parent, _ in rows if int(parent) in below}
    return [
        int(pid)
        for pid, _, command in rows
        if int(pid) in below and "-c import time" in command and "_guard" not in command
    ]


async def test_devices_report_and_hear_the_clock_and_the_state_is_shown(
    gateway: tuple[subprocess.Popen[str], int, str],
) -> None:
    """A helper that is killed is started again; a device that hangs up is gone from the tree."""
    process, port, status = gateway

    def state() -> str:
        return httpx.get(status, trust_env=False, timeout=20).text

    async with await trio.open_tcp_stream("127.0.0.1", port) as device:
        await device.send_all(b"door\nopen\nclosed\n")
        with trio.fail_after(30):
            assert re.match(rb"time \d+\n", await device.receive_some())
        await until_in_trio(lambda: "door: closed\n" in state(), 30)
        assert "clock running" in state()
        until(lambda: clocks(process))  # a process that calls exec has still its old arguments
        killed = clocks(process)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        await until_in_trio(lambda: bool(set(clocks(process)) - set(killed)), 30)
        await until_in_trio(lambda: "clock running" in state(), 30)
    await until_in_trio(lambda: "Session" not in state(), 30)


async def test_a_reader_of_the_state_that_breaks_off_harms_nobody_else(
    gateway: tuple[subprocess.Popen[str], int, str],
) -> None:
    """Its connection is reset before it has asked."""
    process, port, status = gateway
    async with await trio.open_tcp_stream("127.0.0.1", port) as device:
        await device.send_all(b"door\nopen\n")
        asking = await trio.open_tcp_stream("127.0.0.1", httpx.URL(status).port or 0)
        asking.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await asking.aclose()
        with trio.fail_after(30):
            for _ in range(2):  # the clock goes on
                assert re.match(rb"time \d+\n", await device.receive_some())
        answer = await trio.to_thread.run_sync(lambda: httpx.get(status, trust_env=False, timeout=20))
        assert "door: open\n" in answer.text
    assert process.poll() is None


async def test_it_keeps_the_readings_of_so_many_devices_and_no_more(autojump_clock: object) -> None:
    """A device beyond them is disconnected."""
    gateway = runpy.run_path(str(PROGRAM))
    async with Supervisor("app") as app:
        names = {f"device {number}" for number in range(gateway["MOST_DEVICES"])}
        stores = await app.start(PoolSpec("stores", ChildSpec(gateway["Store"]), 1))

        async def send(name: str) -> bool:
            """Return whether the gateway takes a device of that name."""
            ours, its = trio.testing.memory_stream_pair()
            session = await app.start(
                gateway["Session"], its, Group[str](), stores, names, name=name, restart="temporary"
            )
            await ours.send_all(f"{name}\non\n".encode())
            with trio.move_on_after(0.5) as waited:
                await session.wait_stopped()
            return waited.cancelled_caught

        assert await send("device 7")
        assert not await send("another")
        assert len(names) == gateway["MOST_DEVICES"]


def test_ctrl_c_ends_it_with_its_helper(gateway: tuple[subprocess.Popen[str], int, str]) -> None:
    """Nothing is left of either."""
    process, _, _ = gateway
    until(lambda: clocks(process))
    helpers = clocks(process)
    process.send_signal(signal.SIGINT)
    process.wait(30)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in helpers), 30)
