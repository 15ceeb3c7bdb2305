"""`ds-actors room`: what it says when it cannot start."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any, Never

import pytest
import trio
import trio.testing
from typer.testing import CliRunner

from ds_actors import Actor, RestartLimitReached, Supervisor
from ds_actors.cli import app
from ds_actors.cli._adapter import adapter_missing
from ds_actors.cli._room import monitor, requirements
from ds_actors.cli._room.parts import part, tell_ends
from ds_actors.cli._room.plan import make_plan
from ds_actors.cli._room.requirements import Found, find_requirements
from ds_actors.processes import ProgramActor, ProgramEnded


@pytest.fixture
def everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has all there is to find, in a clone."""
    program = tmp_path / "bin" / "livekit-server"
    for path in (program, tmp_path / "page" / "index.html", tmp_path / "web" / "room" / "package.json"):
        path.parent.mkdir(parents=True)
        path.touch()
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(requirements, "has_adapter", lambda: True)
    return tmp_path


def find(folder: Path, server: Path | None = None) -> Found | list[str]:
    return find_requirements(server, page=folder / "page", root=folder)


def missing(folder: Path, server: Path | None = None) -> list[str]:
    lines = find(folder, server)
    assert isinstance(lines, list)
    return lines


@pytest.fixture
def ready(everything: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder, where the command looks too."""

    def found(_server: Path | None) -> Found | list[str]:
        return find(everything)

    monkeypatch.setattr(sys.modules["ds_actors.cli.room"], "find_requirements", found)
    return everything


def test_everything_is_found(everything: Path) -> None:
    """The server on PATH comes first; a named one is taken instead."""
    assert find(everything) == Found(everything / "bin" / "livekit-server", everything / "page")
    named = everything / "other"
    named.touch()
    named.chmod(0o755)
    assert find(everything, named) == Found(named, everything / "page")


def test_the_server_built_in_the_clone_is_found(everything: Path) -> None:
    """When none is on PATH."""
    built = everything / ".cache" / "livekit" / "bin" / "livekit-server"
    built.parent.mkdir(parents=True)
    (everything / "bin" / "livekit-server").rename(built)
    assert find(everything) == Found(built, everything / "page")


def test_a_missing_server_says_how_to_get_it(everything: Path) -> None:
    """The page of LiveKit, the target of make, and the option."""
    (everything / "bin" / "livekit-server").unlink()
    (line,) = missing(everything)
    for hint in ("https://docs.livekit.io", "make components", "--livekit-server"):
        assert hint in line
    assert missing(everything, Path("nowhere")) == ["--livekit-server: nowhere is not a program"]


def test_a_missing_page_says_make_room_page_and_node(everything: Path) -> None:
    """Node.js is named only where npm is missing."""
    (everything / "page" / "index.html").unlink()
    (line,) = missing(everything)
    assert "make room-page" in line
    assert "Node.js" in line
    npm = everything / "bin" / "npm"
    npm.touch()
    npm.chmod(0o755)
    (line,) = missing(everything)
    assert "Node.js" not in line


def test_everything_that_is_missing_is_said_at_once(everything: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each, so that one round is enough."""
    monkeypatch.setattr(requirements, "has_adapter", lambda: False)
    (everything / "bin" / "livekit-server").unlink()
    (everything / "page" / "index.html").unlink()
    lines = missing(everything)
    assert len(lines) == 3
    assert lines[1] == adapter_missing()


def test_the_command_ends_with_2_and_a_line_for_what_is_missing() -> None:
    """On stderr, with the command's name."""
    result = CliRunner().invoke(app, ["room", "--livekit-server", "nowhere"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "ds-actors room: --livekit-server: nowhere is not a program\n" in result.stderr


@pytest.mark.usefixtures("ready")
def test_a_taken_port_asks_for_another_one() -> None:
    """Before anything is started; a variable gives it too, for those who type `make room`."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        results = [
            CliRunner().invoke(app, ["room", "--port", str(port)]),
            CliRunner().invoke(app, ["room"], env={"DS_ACTORS_ROOM_PORT": str(port)}),
        ]
    for result in results:
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"ds-actors room: cannot listen on port {port}: ")
        assert (
            "; give another with --port or DS_ACTORS_ROOM_PORT, as in make room DS_ACTORS_ROOM_PORT=" in result.stderr
        )


def test_a_server_that_ends_at_once_ends_the_command(ready: Path) -> None:
    """With exit code 2, and its own last line."""
    pytest.importorskip("livekit.api", reason="needs the LiveKit adapter")
    program = ready / "bin" / "livekit-server"
    program.write_text("#!/bin/sh\necho 'no such option' >&2\nexit 3\n")
    result = CliRunner().invoke(app, ["room", "--port", "0"])
    assert (result.exit_code, result.stdout) == (2, "livekit-server: ended with exit code 3\n")
    assert "livekit-server exited with code 3 before it was ready; its last lines: no such option" in result.stderr


async def test_the_events_and_the_log_of_a_monitor_are_passed_on_and_its_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stdout has the events, its stderr the log; a signal that killed it is named."""
    watcher = tmp_path / "watcher.py"
    watcher.write_text(
        "import os, sys\n"
        'print(\'{"event": "joined"}\', flush=True)\n'
        "print(os.environ['WHO'], sys.argv[1], file=sys.stderr, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    monkeypatch.setattr(monitor, "_WATCHER", watcher)
    events: list[dict[str, Any]] = []
    log: list[str] = []
    ends: list[tuple[str, str]] = []

    def make() -> ProgramActor:
        return monitor.make_monitor({"WHO": "alice"}, events.append, log.append, "--silent")

    def told(part: str, line: str) -> None:
        ends.append((part, line))

    async with Supervisor("watch", children=[part(make, name="monitor")], listeners=(tell_ends(told),)):
        with trio.fail_after(30):
            while not ends:
                await trio.sleep(0.01)
    assert events[0] == {"event": "joined"}
    assert log[0] == "alice --silent"
    assert ends[0] == ("monitor", "ended by SIGKILL")


async def test_a_part_that_keeps_failing_ends_the_tree(autojump_clock: trio.testing.MockClock) -> None:
    """At its sixth failure in a row."""
    starts: list[float] = []

    class Failing(Actor[Never]):
        async def run(self) -> None:
            starts.append(trio.current_time())
            raise ProgramEnded("program", 1)

    with pytest.raises(RestartLimitReached):
        async with Supervisor("room", children=[part(Failing, name="failing")]) as tree:
            await tree.wait()
    assert len(starts) == 6


@pytest.mark.usefixtures("ready")
def test_a_part_that_failed_for_good_ends_the_command_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the tree's reason and the part's."""

    async def run(*_: object) -> None:
        raise ExceptionGroup("", [RestartLimitReached("/room gave up")]) from None

    monkeypatch.setattr(sys.modules["ds_actors.cli.room"], "_run", run)
    result = CliRunner().invoke(app, ["room", "--port", "0"])
    assert (result.exit_code, result.stderr) == (1, "ds-actors room: /room gave up\n")


def test_the_parts_have_ports_of_their_own() -> None:
    """All are free, and none is used twice among those of one kind."""
    plan = make_plan(0)
    assert len({plan.server_port, plan.sandbox_port, plan.web_port}) == 3
    assert plan.media_port > 0
