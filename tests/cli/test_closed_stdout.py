"""What the commands do when the reader of their output has gone, or the disk is full."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import scan_clips as clips
import trio

from ds_actors.detection import Dataspike, Sample
from ds_actors.detection.uplink.connection import open_websocket
from ds_actors.detection.uplink.wire import decode_result, encode_request

COMMAND = [sys.executable, "-m", "ds_actors"]


def into_a_closed_pipe(*arguments: str | Path) -> tuple[int, str]:
    """Return exit code and stderr of a command whose stdout is not read."""
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            stdout=theirs,
            stderr=subprocess.PIPE,
            text=True,
            timeout=100,
            check=False,
        )
    finally:
        os.close(theirs)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["scan", "--sandbox", "--json"], ["scan", "--sandbox"], ["scan", "--sandbox", "--fail-on", "suspicious"]],
)
def test_a_scan_ends_quietly_with_a_code_of_its_own(tmp_path: Path, arguments: list[str]) -> None:
    """141, which says nothing of any level; JSON and table alike, although rich and tasks end differently."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(2))
    assert into_a_closed_pipe(*arguments, path, path) == (141, "")


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["scan", "--help"], ["demo", "--json"]])
def test_so_does_whatever_else_writes(arguments: list[str]) -> None:
    """Help, version and the demo."""
    assert into_a_closed_pipe(*arguments) == (141, "")


@pytest.mark.parametrize(
    "arguments", [["scan", "--help"], ["scan", "--sandbox"], ["scan", "--sandbox", "--json"], ["demo"]]
)
def test_a_full_disk_is_one_line_and_a_code_of_its_own(tmp_path: Path, arguments: list[str]) -> None:
    """74, which says nothing of any level, and no traceback."""
    if arguments[0] == "scan" and "--sandbox" in arguments:
        arguments = [*arguments, str(clips.make(tmp_path / "a.mp4", clips.steady(2)))]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=100, check=False
        )
    assert (done.returncode, done.stderr) == (
        74,
        "ds-actors: its output cannot be written: No space left on device\n",
    )


async def test_a_sandbox_goes_on_serving_and_tells_nobody() -> None:
    """Clients that come after its reader has gone get their answers, and Ctrl-C still ends it with 0."""
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                [*COMMAND, "sandbox", "--json", "--port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                capture_stderr=True,
                check=False,
            )
        )
        assert process.stdout is not None
        async with process.stdout as out:
            line = await out.receive_some()
        service = Dataspike(api_key="any", url=json.loads(line)["url"])
        try:
            for _ in range(3):
                with trio.fail_after(20):
                    async with open_websocket(service) as websocket:
                        await websocket.send_message(encode_request(Sample("alice", "TR_1", 1, b"no picture")))
                        answer = await websocket.get_message()
                assert isinstance(answer, bytes)
                assert decode_result(answer).participant == "alice"
        finally:
            process.send_signal(signal.SIGINT)
        with trio.fail_after(20):
            await process.wait()
        assert process.returncode == 0
