"""A program as a child: real processes, and what is left of them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from livekit_harness.ports import free_port
from marked_processes import MARK, all_marked, left_of, marked, new_mark

from ds_actors import ChildEnded, ChildSpec, RestartLimitReached, StartFailed, Supervisor, TelemetryEvent
from ds_actors.processes import (
    LineMatches,
    PortOpens,
    Program,
    ProgramActor,
    ProgramEnded,
    ProgramNotStarted,
    Ready,
    _actor,
    _guarded,
    _program,
)

READY = LineMatches("^ready$")


@pytest.fixture
def mark() -> Iterator[str]:
    """A mark for the test's programs, of which none may be left."""
    value = new_mark()
    yield value
    assert left_of(value) == {}


def shell(script: str, mark: str, ready: Ready | None = READY) -> Program:
    return Program(["sh", "-c", script], {MARK: mark}, ready=ready)


def python(code: str, mark: str) -> Program:
    return Program([sys.executable, "-I", "-S", "-c", code], {MARK: mark}, ready=READY)


async def ended(events: list[TelemetryEvent]) -> ChildEnded:
    """Wait for the first end of an incarnation."""
    with trio.fail_after(30):
        while True:
            for event in events:
                if isinstance(event, ChildEnded):
                    return event
            await trio.sleep(0.01)


async def start_error(program: Program, start_timeout: float = 30) -> BaseException | None:
    """Return why a program did not start."""
    async with Supervisor("app") as app:
        with pytest.raises(StartFailed) as failed:
            await app.start(ProgramActor, program, start_timeout=start_timeout)
    return failed.value.__cause__


# ---- ready


async def test_a_program_is_ready_when_a_line_matches(mark: str, caplog: pytest.LogCaptureFixture) -> None:
    """On stderr too. Its lines are in the log, behind its path and made plain; its environment is not."""
    caplog.set_level(logging.INFO, "ds_actors.processes")
    async with Supervisor("app") as app:
        await app.start(ProgramActor, shell(r"printf 'one\n\033[31mtwo\n'; echo ready >&2; sleep 60", mark), name="x")
    lines = [record.getMessage() for record in caplog.records]
    assert {"/app/x: one", "/app/x: [31mtwo", "/app/x: ready"} <= set(lines)
    assert mark not in caplog.text


async def test_a_program_is_ready_when_its_port_opens(mark: str) -> None:
    """A restart waits for the port anew."""
    port = free_port()
    code = f"import socket; s = socket.create_server(('127.0.0.1', {port}))\nwhile 1: s.accept()[0].close()"
    program = Program([sys.executable, "-I", "-S", "-c", code], {MARK: mark}, ready=PortOpens(port))
    async with Supervisor("app") as app:
        await app.start(ProgramActor, program)
        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()


async def test_a_port_that_is_in_use_is_refused() -> None:
    """Otherwise another program's answer would make this one ready."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, trio.SocketStream.aclose, [listener])
        port = listener.socket.getsockname()[1]
        error = await start_error(Program(["sleep", "60"], ready=PortOpens(port)))
        nursery.cancel_scope.cancel()
    assert isinstance(error, ProgramNotStarted)
    assert str(error) == f"sleep was not started: 127.0.0.1:{port} is in use by another program"


async def test_a_program_is_ready_when_a_function_returns(mark: str, tmp_path: Path) -> None:
    """It is awaited after the start."""

    async def file_is_there() -> None:
        while not (tmp_path / "file").exists():
            await trio.sleep(0.01)

    async with Supervisor("app") as app:
        await app.start(ProgramActor, shell(f"touch {tmp_path}/file; sleep 60", mark, file_is_there))
        assert (tmp_path / "file").exists()


async def test_what_the_function_raises_fails_the_start(mark: str) -> None:
    """The program is killed."""

    async def refuse() -> None:
        raise LookupError("no")

    assert isinstance(await start_error(shell("sleep 60", mark, refuse)), LookupError)


async def test_a_program_that_never_becomes_ready_is_killed(mark: str) -> None:
    """When its start_timeout is over."""
    error = await start_error(shell("sleep 60 & wait", mark), start_timeout=0.3)
    assert isinstance(error, TimeoutError)


async def test_a_program_that_ends_before_it_is_ready_fails_its_start(mark: str) -> None:
    """Whatever its exit code; the error has its last lines."""
    error = await start_error(shell("echo no licence; exit 0", mark))
    assert isinstance(error, ProgramEnded)
    assert str(error) == "sh exited with code 0 before it was ready; its last lines: no licence"


# ---- cannot be started


async def test_a_program_that_does_not_exist() -> None:
    """The error says so; nothing is left."""
    error = await start_error(Program(["/nowhere/no-such-program"]))
    assert isinstance(error, ProgramNotStarted)
    assert str(error).startswith("no-such-program was not started: there is no such program")


async def test_a_program_that_is_not_executable(tmp_path: Path) -> None:
    """The error says what to do."""
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    error = await start_error(Program([tmp_path / "tool"]))
    assert str(error) == "tool was not started: it is not executable for this user (chmod +x makes it so)"


async def test_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    """The error names it."""
    error = await start_error(Program(["sleep", "60"], directory=tmp_path / "gone"))
    assert isinstance(error, ProgramNotStarted)
    assert str(tmp_path / "gone") in str(error)


async def test_a_guard_that_cannot_run_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the last line of its stderr."""
    broken = tmp_path / "guard.py"
    broken.write_text("raise SystemExit('no memory')")
    monkeypatch.setattr(_guarded, "_GUARD", broken)
    error = await start_error(Program(["sleep", "60"]))
    assert str(error) == "sleep was not started: its guard process ended: no memory"


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: Program("sleep 60"), TypeError),
        (lambda: Program([]), ValueError),
        (lambda: Program(["a\0b"]), ValueError),
        (lambda: Program(["a"], {"A=B": "c"}), ValueError),
        (lambda: Program(["a"], {"A": "\0"}), ValueError),
        (lambda: Program(["a"], max_line=0), ValueError),
        (lambda: Program(["a"], ready=PortOpens(0)), ValueError),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(make: object, kind: type[Exception]) -> None:
    """Where it is written, not where it is started."""
    assert callable(make)
    with pytest.raises(kind):
        make()


def test_elsewhere_than_on_posix_a_program_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is missing."""
    monkeypatch.setattr(_program, "_POSIX", False)
    with pytest.raises(NotImplementedError, match="POSIX"):
        Program(["sleep", "60"])


def test_the_environment_is_no_part_of_a_repr() -> None:
    """It may hold secrets."""
    assert "hunter2" not in repr(Program(["sleep"], {"PASSWORD": "hunter2"}))


# ---- ends


async def test_an_exit_with_code_0_is_a_normal_end(mark: str) -> None:
    """A transient program is not restarted."""
    async with Supervisor("app") as app:
        ref = await app.start(ProgramActor, shell("echo ready", mark), restart="transient")
        with trio.fail_after(30):
            await ref.wait_stopped()


async def test_the_exit_code_is_in_the_crash(mark: str) -> None:
    """With the last lines of its output."""
    events: list[TelemetryEvent] = []
    async with Supervisor("app", listeners=(events.append,)) as app:
        await app.start(ProgramActor, shell("echo ready; echo bad luck >&2; exit 7", mark), restart="temporary")
        end = await ended(events)
    assert isinstance(end.error, ProgramEnded)
    assert (end.error.code, end.error.signal) == (7, None)
    assert "bad luck" in end.error.last_lines


async def test_stdout_that_a_function_takes_is_no_part_of_the_crash(mark: str) -> None:
    """It is data then; stderr says why a program failed, also where a function takes it."""
    events: list[TelemetryEvent] = []
    data: list[str] = []
    script = "echo secret; echo bad luck >&2; echo ready; exit 7"
    program = Program(
        ["sh", "-c", script], {MARK: mark}, ready=READY, on_stdout=data.append, on_stderr=lambda _line: None
    )
    async with Supervisor("app", listeners=(events.append,)) as app:
        await app.start(ProgramActor, program, restart="temporary")
        end = await ended(events)
    assert isinstance(end.error, ProgramEnded)
    assert end.error.last_lines == ("bad luck",)
    assert data == ["secret", "ready"]


async def test_the_signal_is_in_the_crash(mark: str) -> None:
    """A message is a signal for the program."""
    events: list[TelemetryEvent] = []
    async with Supervisor("app", listeners=(events.append,)) as app:
        ref = await app.start(ProgramActor, shell("echo ready; exec sleep 60", mark), restart="temporary")
        ref.tell(signal.SIGUSR1)
        end = await ended(events)
    assert isinstance(end.error, ProgramEnded)
    assert (end.error.code, end.error.signal) == (None, signal.SIGUSR1)
    assert str(end.error) == "sh was killed by SIGUSR1; its last lines: ready"


def test_the_words_of_an_end() -> None:
    """A real-time signal has no name; a program may say nothing; a line is cut and made plain."""
    assert str(ProgramEnded("x", -40)) == "x was killed by signal 40, without a word"
    assert ProgramEnded("x", 1, ["\x1b[1m" + "y" * 300]).last_lines == ("[1m" + "y" * 197,)


async def test_a_program_is_judged_by_the_rules_of_all_children(mark: str) -> None:
    """One that crashes too often makes its supervisor give up, with the program's end as the cause."""
    spec = ChildSpec(ProgramActor, shell("echo ready; exit 1", mark), name="x")
    with pytest.raises(RestartLimitReached) as gave_up:
        async with Supervisor("app", children=[spec], max_restarts=2) as app:
            with trio.fail_after(30):
                await app.wait()
    assert isinstance(gave_up.value.__cause__, ProgramEnded)


# ---- stops


async def test_a_stop_is_sigterm_and_its_output_is_read_to_the_end(mark: str) -> None:
    """More than a pipe holds; an exit code is no crash then."""
    events: list[TelemetryEvent] = []
    lines: list[str] = []
    script = "trap 'seq 20000; echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    program = Program(["sh", "-c", script], {MARK: mark}, ready=READY, on_stdout=lines.append)
    async with Supervisor("app", listeners=(events.append,), close_within=50) as app:
        await app.start(ProgramActor, program, grace=50)
    end = await ended(events)
    assert (end.kind, end.error) == ("stopped", None)
    assert lines == ["ready", *map(str, range(1, 20_001)), "bye"]


async def test_a_program_that_ignores_sigterm_is_killed_when_its_grace_is_over(mark: str) -> None:
    """With its children, which ignore it too."""
    script = "trap '' TERM; sleep 60 & echo ready; while :; do sleep 1; done"
    began = trio.current_time()
    async with Supervisor("app") as app:
        await app.start(ProgramActor, shell(script, mark), grace=0.3)
    assert 0.3 <= trio.current_time() - began < 20


async def test_a_stop_before_the_program_is_ready_is_sigterm_too(mark: str, tmp_path: Path) -> None:
    """It has its grace."""
    script = f"trap 'touch {tmp_path}/cleaned; exit 0' TERM; touch {tmp_path}/up; while :; do sleep 0.05; done"

    async def start(app: Supervisor) -> None:
        with pytest.raises(Exception, match=r"stop|start"):
            await app.start(ProgramActor, shell(script, mark, LineMatches("never")), name="x")

    async with trio.open_nursery() as nursery, Supervisor("app") as app:
        nursery.start_soon(start, app)
        with trio.fail_after(30):
            while not (tmp_path / "up").exists():
                await trio.sleep(0.01)
    assert (tmp_path / "cleaned").exists()


async def test_grandchildren_that_left_the_group_end_too(mark: str) -> None:
    """A daemon of the program is gone when the actor is."""
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(60)\n"
        "    os._exit(0)\n"
        "os.wait(); print('ready', flush=True); time.sleep(60)\n"
    )
    async with Supervisor("app") as app:
        ref = await app.start(ProgramActor, python(code, mark), name="x", restart="temporary")
        all_marked(mark, 3)
        ref.tell(signal.SIGKILL)
        with trio.fail_after(30):
            await ref.wait_stopped()
        assert marked(mark) == {}


async def test_a_killed_guard_leaves_nothing(mark: str) -> None:
    """The program dies with it, and the next life begins."""
    events: list[TelemetryEvent] = []
    script = "sleep 60 & echo ready; wait"
    async with Supervisor("app", listeners=(events.append,)) as app:
        await app.start(ProgramActor, shell(script, mark), name="x")
        before = all_marked(mark, 3)
        (guard,) = (pid for pid, line in before.items() if "_guard.py" in line)
        os.kill(guard, signal.SIGKILL)
        end = await ended(events)
        assert isinstance(end.error, ProgramEnded)
        assert not set(before) & set(marked(mark))


async def test_a_guard_that_hangs_is_killed(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its program and the program's group."""
    monkeypatch.setattr(_guarded, "_ENDS_WITHIN", 0.2)
    async with Supervisor("app") as app:
        await app.start(ProgramActor, shell("sleep 60 & echo ready; wait", mark), name="x", grace=0.2)
        (guard,) = (pid for pid, line in all_marked(mark, 3).items() if "_guard.py" in line)
        os.kill(guard, signal.SIGSTOP)


async def test_output_that_a_stranger_holds_open_delays_the_end_by_a_moment(
    mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that got away may keep the pipe; the actor does not wait for it."""
    monkeypatch.setattr(_actor, "_LAST_LINES_WITHIN", 0.1)
    events: list[TelemetryEvent] = []
    async with Supervisor("app", listeners=(events.append,)) as app:
        ref = await app.start(ProgramActor, shell("echo ready; exec sleep 60", mark), restart="temporary")
        (pid,) = (pid for pid, line in all_marked(mark, 2).items() if "_guard.py" not in line)
        held = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY)
        try:
            ref.tell(signal.SIGKILL)
            await ended(events)
        finally:
            os.close(held)


@pytest.mark.parametrize("seconds", [0, 0.01, 0.03, 0.1, 0.3])
async def test_a_start_that_is_cancelled_leaves_nothing(mark: str, seconds: float) -> None:
    """Wherever the cancellation finds it."""
    async with Supervisor("app") as app:
        with trio.move_on_after(seconds) as scope:
            await app.start(ProgramActor, shell("sleep 60 & echo never; wait", mark), name="x")
        assert scope.cancelled_caught
        assert app.count().active == 0


# ---- prints


async def test_a_program_that_prints_without_end_disturbs_no_other(mark: str, caplog: pytest.LogCaptureFixture) -> None:
    """So many lines a second are logged; the number of the others is, too."""
    caplog.set_level(logging.INFO, "ds_actors.processes")
    program = Program(["yes"], {MARK: mark}, lines_per_second=5)
    began = trio.current_time()
    async with Supervisor("app") as app:
        await app.start(ProgramActor, program, name="x")
        beats = 0
        with trio.fail_after(60):
            while beats < 100 or "lines were not logged, over 5 in a second" not in caplog.text:
                await trio.sleep(0.01)
                beats += 1
    seconds = trio.current_time() - began
    lines = [record.getMessage() for record in caplog.records]
    assert 5 <= lines.count("/app/x: y") <= 5 * (seconds + 1)


async def test_a_line_without_end_comes_in_pieces(mark: str) -> None:
    """None is longer than max_line, and nothing is lost; functions get the lines instead of the log."""
    out: list[str] = []
    err: list[str] = []
    code = "import sys; sys.stdout.write('x' * 100_000); sys.stderr.write('e\\n')"
    program = Program(
        [sys.executable, "-I", "-S", "-c", code], {MARK: mark}, on_stdout=out.append, on_stderr=err.append, max_line=999
    )
    async with Supervisor("app") as app:
        ref = await app.start(ProgramActor, program, restart="transient")
        with trio.fail_after(30):
            await ref.wait_stopped()
    assert max(map(len, out)) == 999
    assert "".join(out) == "x" * 100_000
    assert err == ["e"]


async def test_a_function_that_fails_on_a_line_is_a_crash(mark: str) -> None:
    """The program does not outlive it."""

    def refuse(line: str) -> None:
        raise LookupError(line)

    program = Program(["sh", "-c", "echo hello; sleep 60"], {MARK: mark}, on_stdout=refuse, ready=LineMatches("never"))
    assert isinstance(await start_error(program), LookupError)


# ---- the parent's end


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_leaves_nothing(mark: str, number: signal.Signals) -> None:
    """Neither the program nor the daemon that it made, though the parent had no time to stop them."""
    parent = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("parent.py"))],
        env={**os.environ, MARK: mark},
        stdout=subprocess.PIPE,
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        all_marked(mark, 5)
    finally:
        parent.send_signal(number)
        parent.communicate()


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_thousand_kills_are_a_thousand_lives(mark: str) -> None:
    """Each kill ends one incarnation and starts one; no process is left, and none runs twice."""
    events: list[TelemetryEvent] = []
    pids: list[str] = []
    program = Program(
        ["sh", "-c", "sleep 600 & echo $$; wait"], {MARK: mark}, ready=LineMatches(r"^\d+$"), on_stdout=pids.append
    )
    async with Supervisor("app", listeners=(events.append,), max_restarts=10**6) as app:
        ref = await app.start(ProgramActor, program, name="x")
        for life in range(1, 1_001):
            with trio.fail_after(60):
                while app.tree().children[0].incarnation < life or app.tree().children[0].status != "running":
                    await trio.sleep(0.002)
            os.kill(int(pids[-1]), signal.SIGKILL) if life % 2 else ref.tell(signal.SIGKILL)
            with trio.fail_after(60):
                while sum(isinstance(event, ChildEnded) for event in events) < life:
                    await trio.sleep(0.002)
        with trio.fail_after(60):
            while len(pids) < 1_001:
                await trio.sleep(0.01)
        all_marked(mark, 3)
    ends = [event for event in events if isinstance(event, ChildEnded)]
    assert len(ends) == len(pids) == len(set(pids)) == 1_001
    assert [event.incarnation for event in ends] == list(range(1, 1_002))
    crashes = [event.error for event in ends[:-1]]
    assert all(isinstance(error, ProgramEnded) and error.signal == signal.SIGKILL for error in crashes)
    assert (ends[-1].kind, ends[-1].error) == ("stopped", None)
