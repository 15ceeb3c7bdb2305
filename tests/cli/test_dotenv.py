"""The `.env` in the working directory, as `watch` and `doctor` read it."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ds_actors.cli import app
from ds_actors.cli._doctor.environment import LIVEKIT_VARIABLES

CLOSED = "ws://127.0.0.1:1"
URL, KEY, SECRET = LIVEKIT_VARIABLES
SESAME = "sesame" * 8
IN_FULL = f"{URL}={CLOSED}/file\n{KEY}='its key'\nexport {SECRET}={SESAME}\nDATASPIKE_API_KEY=k\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """The file's place, in a working directory of its own, with an environment that the test may fill."""
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(("LIVEKIT_", "DATASPIKE_")):
            del os.environ[name]
    yield tmp_path / ".env"
    os.environ.clear()
    os.environ.update(before)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def server_line(result: Result) -> str:
    """Return what `watch` says of the LiveKit server that it did not reach."""
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if "livekit server: " in line]
    return line


def test_watch_takes_from_it_what_the_environment_lacks(file: Path) -> None:
    """All of it, in an empty environment; the service's key is found too."""
    file.write_text(IN_FULL)
    result = run("watch", "call")
    assert f"{CLOSED}/file was not reached" in server_line(result)
    assert "environment: " not in result.stderr
    assert os.environ[KEY] == "its key"
    assert os.environ[SECRET] == SESAME


def test_it_never_overrides_the_environment(file: Path) -> None:
    """It does not fill what is set to nothing either."""
    file.write_text(IN_FULL)
    os.environ[URL] = f"{CLOSED}/mine"
    assert f"{CLOSED}/mine was not reached" in server_line(run("watch", "call"))
    os.environ[SECRET] = ""
    assert f"{SECRET} not set" in run("watch", "call").stderr


def test_the_option_overrides_both(file: Path) -> None:
    """The server's address alone: a key or secret is never in a command line, which others on the machine can read."""
    file.write_text(IN_FULL)
    os.environ[URL] = f"{CLOSED}/mine"
    assert f"{CLOSED}/option was not reached" in server_line(run("watch", "call", "--livekit-url", f"{CLOSED}/option"))
    help_text = run("watch", "--help").stdout
    assert "--livekit-url" in help_text
    assert "secret" not in "".join(line for line in help_text.splitlines() if "--" in line)


def test_the_doctor_reads_it_too(file: Path) -> None:
    """What it says of LiveKit's server is of the file's, or of the option's."""
    file.write_text(IN_FULL)
    for arguments, address in (((), f"{CLOSED}/file"), (("--livekit-url", f"{CLOSED}/option"), f"{CLOSED}/option")):
        rows = [json.loads(line) for line in run("doctor", "--json", "--sandbox", *arguments).stdout.splitlines()]
        (summary,) = [row["summary"] for row in rows if row["check"] == "livekit server"]
        assert summary.startswith(f"{address} was not reached")


def test_other_programs_variables_are_left_in_it(file: Path) -> None:
    """A folder's file does not say which code runs, nor by which proxy or whose certificates this machine speaks."""
    # The last one is a library that LiveKit's SDK would load into this process.
    foreign = (
        "ALL_PROXY=http://127.0.0.1:1\nSSL_CERT_DIR=/nowhere\nDATASPIKE_PROXY=p:1\nDATASPIKE_CONFIG=x\n"
        "LIVEKIT_LIB_PATH=/nowhere/evil.so\n"
    )
    file.write_text(f"{IN_FULL}{foreign}LIVEKIT_NOTHING\n")
    before = set(os.environ)
    run("watch", "call")
    assert os.environ.keys() - before == {URL, KEY, SECRET, "DATASPIKE_API_KEY"}


def test_a_key_that_is_set_is_not_sent_where_the_file_says(file: Path) -> None:
    """The service's address counts only beside a key of the same file."""
    file.write_text("DATASPIKE_API_KEY=sk-file\nDATASPIKE_WS_URL=wss://elsewhere.invalid/\n")
    assert "wss://elsewhere.invalid/" in run("config").stdout
    for name in ("DATASPIKE_API_KEY", "DATASPIKE_WS_URL"):
        del os.environ[name]
    os.environ["DATASPIKE_API_KEY"] = "sk-mine"
    assert "elsewhere" not in run("config").stdout


def test_a_webhooks_secret_that_is_set_is_not_sent_where_the_file_says(file: Path) -> None:
    """Its address counts only beside a secret of the same file."""
    file.write_text("DATASPIKE_WEBHOOK_URL=https://elsewhere.invalid/\n")
    os.environ["DATASPIKE_WEBHOOK_SECRET"] = SESAME
    result = run("config")
    assert "sinks.webhook.secret" in result.stderr
    assert "has no effect without sinks.webhook.url" in result.stderr
    assert "DATASPIKE_WEBHOOK_URL" not in os.environ


def test_the_file_names_no_file_that_is_written(file: Path) -> None:
    """A stranger's could name one that a shell runs; the lines hold names that participants choose."""
    profile = file.with_name("profile")
    file.write_text(f"DATASPIKE_JSON_LINES_FILE={profile}\nDATASPIKE_JSON_LINES_MAX_BYTES=20000\n")
    result = run("config")
    assert result.exit_code == 0
    assert str(profile) not in result.stdout
    assert not any(name.startswith("DATASPIKE_JSON_LINES") for name in os.environ)


def test_no_variable_is_put_into_what_the_file_says(file: Path) -> None:
    """A stranger's file could send any of them to an address of its own."""
    os.environ[SECRET] = SESAME
    os.environ["HOME_GROWN"] = "opensesame"
    file.write_text(f"{URL}=ws://127.0.0.1:1/${{HOME_GROWN}}/${SECRET}\n{KEY}=${{HOME_GROWN}}\nDATASPIKE_API_KEY=k\n")
    assert "sesame" not in run("watch", "call").stderr
    assert (os.environ[URL], os.environ[KEY]) == (f"ws://127.0.0.1:1/${{HOME_GROWN}}/${SECRET}", "${HOME_GROWN}")


def test_a_folder_of_that_name_is_not_the_file(file: Path) -> None:
    """It may be a virtual environment."""
    file.mkdir()
    assert f"{URL}, {KEY}, {SECRET} not set" in run("watch", "call").stderr
    assert run("config").exit_code == 0


@pytest.mark.parametrize("command", [("watch", "call"), ("doctor",), ("config",)])
def test_a_file_that_cannot_be_read_is_exit_2_with_what_to_do(file: Path, command: tuple[str, ...]) -> None:
    """One line; nothing of the file is in it."""
    file.write_bytes(b"LIVEKIT_API_SECRET=sesame\xff")
    result = run(*command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"ds-actors {command[0]}: .env is not UTF-8 text; save it as UTF-8, or remove it\n"
    file.unlink()
    file.symlink_to(file)
    result = run(*command)
    assert result.exit_code == 2
    assert ".env cannot be read: Too many levels of symbolic links" in result.stderr
