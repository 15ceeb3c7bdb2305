"""The processes of `ds-actors room`: how each ends, and what it said before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import trio

from ds_actors.cli._room import child_process, guard
from ds_actors.cli._room.child_process import ChildProcess, PartEnded
from ds_actors.cli._room.parts import _ignore


def python(code: str, *, lines: list[str] | None = None, log: list[str] | None = None) -> ChildProcess:
    """Return a process of Python code whose lines go into these lists."""
    on_line = _ignore if lines is None else lines.append
    on_log = _ignore if log is None else log.append
    return ChildProcess([sys.executable, "-c", code], {}, on_line, on_log)


async def test_a_process_that_ends_by_itself_says_how_and_why() -> None:
    """The exit code and its last five lines."""
    log: list[str] = []
    code = "import sys; [print(f'line {n}', file=sys.stderr) for n in range(9)]; sys.exit(3)"
    with pytest.raises(PartEnded, match=r"^exit code 3: line 4; line 5; line 6; line 7; line 8$"):
        await python(code, log=log).run()
    assert log[-2:] == ["line 8", "ended with exit code 3"]


async def test_a_process_ends_when_its_stdin_does(tmp_path: Path) -> None:
    """Cancelling waits for it, so that it can leave in order."""
    left = tmp_path / "left"
    heard = trio.Event()
    code = f"import pathlib, sys; print('up', flush=True); sys.stdin.read(); pathlib.Path({str(left)!r}).touch()"
    process = ChildProcess([sys.executable, "-c", code], {}, lambda _line: heard.set(), _ignore)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.run)
        await heard.wait()
        nursery.cancel_scope.cancel()
    assert left.exists()


async def test_a_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time to end is over."""
    monkeypatch.setattr(child_process, "END_WITHIN", 0.1)
    heard = trio.Event()
    process = ChildProcess(
        [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"],
        {},
        lambda _line: heard.set(),
        _ignore,
    )
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(process.run)
            await heard.wait()
            nursery.cancel_scope.cancel()


async def test_a_line_without_an_end_is_passed_on_in_pieces() -> None:
    """A process that writes without line breaks fills no memory."""
    lines: list[str] = []
    with pytest.raises(PartEnded):
        await python("print('x' * 3_500_000)", lines=lines).run()
    assert len(lines) > 1
    assert sum(len(line) for line in lines) == 3_500_000


@pytest.mark.parametrize("code", [0, 3])
def test_the_guard_ends_with_its_programs_code(code: int) -> None:
    """As if the program had been run without it."""
    command = [sys.executable, str(Path(guard.__file__)), sys.executable, "-c", f"import sys; sys.exit({code})"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.wait(30) == code


def test_the_guard_kills_its_program_when_stdin_ends() -> None:
    """The program holds the other end of the pipe, which closes with it."""
    program = "import time; print('up', flush=True); time.sleep(600)"
    command = [sys.executable, str(Path(guard.__file__)), sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(30) == 0
