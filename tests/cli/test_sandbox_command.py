"""`ds-actors sandbox`: its errors and its grade, as people read them."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from typer.testing import CliRunner

from ds_actors.cli import app
from ds_actors.cli.sandbox import table
from ds_actors.sandbox import Attempt, ClientRecord, Received, Row, grade


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--script", "nope.toml"], r"nope\.toml cannot be read: No such file or directory"),
        (["--script", "."], r"\. cannot be read: Is a directory"),
        (["--host", "999.1.1.1"], r"cannot listen on 999\.1\.1\.1 port 0: [^;]+; give another with --host"),
        (["--host", "a..b"], r"cannot listen on a\.\.b port 0: it is not an address; give another with --host"),
        (["--host", "203.0.113.1"], r"cannot listen on 203\.0\.113\.1 port 0: [^;]+; give another with --host"),
    ],
)
def test_what_cannot_begin_is_one_line_and_exit_2(arguments: list[str], expected: str) -> None:
    """The command, what is wrong, and the option that sets it right; no number of an error, no path twice."""
    result = CliRunner().invoke(app, ["sandbox", "--port", "0", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(rf"ds-actors sandbox: {expected}\n", result.stderr)


def test_a_port_that_is_taken_asks_for_another_one() -> None:
    """Not for another host."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["sandbox", "--port", str(port)])
    assert result.exit_code == 2
    assert result.stderr.endswith("; give another with --port\n")


@pytest.mark.parametrize(
    ("arguments", "warning"),
    [
        (["--host", "127.0.0.2"], ""),
        (["--host", "localhost"], ""),
        (["--host", "0.0.0.0"], ", and any key is accepted"),
        (["--host", "0.0.0.0", "--api-key", "k", "--json"], ""),
    ],
)
def test_listening_beyond_this_machine_is_warned_about(
    arguments: list[str], warning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line on stderr; without --api-key it says that any client may come."""

    @contextmanager
    def at_once() -> Generator[Callable[[], Awaitable[None]]]:
        yield trio.lowlevel.checkpoint

    # The package has the command's function under its module's name.
    monkeypatch.setattr(sys.modules["ds_actors.cli.sandbox"], "interrupts", at_once)
    result = CliRunner().invoke(app, ["sandbox", "--port", "0", *arguments])
    assert result.exit_code == 0, result.output
    without_tls = "--host 0.0.0.0 lets other machines in: keys and pictures cross the network without TLS"
    expected = f"ds-actors sandbox: warning: {without_tls}{warning}\n" if "0.0.0.0" in arguments else ""
    assert result.stderr == expected


def test_a_script_that_is_no_text_says_so(tmp_path: Path) -> None:
    """A binary file is not UTF-8."""
    path = tmp_path / "script.toml"
    path.write_bytes(b"\xff\xfe")
    result = CliRunner().invoke(app, ["sandbox", "--script", str(path)])
    assert (result.exit_code, result.stderr) == (2, f"ds-actors sandbox: {path} cannot be read: it is not UTF-8\n")


@pytest.mark.parametrize("value", ["[" * 5_000 + "]" * 5_000, "9" * 5_000])
def test_a_script_beyond_every_measure_is_one_line_and_exit_2(value: str, tmp_path: Path) -> None:
    """Python's parser gives up on it with an error of its own."""
    path = tmp_path / "script.toml"
    path.write_text(f"latency = {value}")
    result = CliRunner().invoke(app, ["sandbox", "--script", str(path)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(r"ds-actors sandbox: .*script\.toml: [^\n]{,100}\n", result.stderr)


def test_the_grade_says_kept_broken_or_untested_within_80_columns() -> None:
    """Each client's rules stand below its name; one that did not come up is not called kept."""
    first, second = ClientRecord("client 1"), ClientRecord("client 2")
    waits = (30.0, 45.0, 500.0)
    first.attempts.extend(Attempt(at, 401, ended=at, ended_by="service", last_sent=at) for at in waits)
    first.attempts.extend(Attempt(at, 429, 300, ended=at, ended_by="service", last_sent=at) for at in (501.0, 700.25))
    first.samples.append(Received(1.0, "alice", "TR_a", 2 * 1024 * 1024, 22.0))
    second.attempts.append(Attempt(0.0))
    lines = table(grade([first, second], now=1_000.0))
    assert [line for line in lines if not line.startswith(" ")] == ["client 1", "client 2"]
    assert max(len(line) for line in lines) <= 80
    words = [line.split()[0] for line in lines if line.startswith(" ")]
    assert {word: words.count(word) for word in words} == {"BROKEN": 4, "kept": 4, "untested": 12}
    assert "  BROKEN    no sample older than 2 s           oldest 22.00 s of 1" in lines


def test_one_is_no_plural() -> None:
    """A single attempt is "1 attempt"."""
    client = ClientRecord("client 1")
    client.attempts.append(Attempt(0.0))
    (row,) = (row for row in grade([client], now=1.0) if row.rule == "the key is in the header only")
    assert row == Row("client 1", row.rule, kept=True, figure="0 of 1 attempt showed it")
