"""`ds-actors serve`: its errors, and a whole run with a video that is scanned through it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import scan_clips
import trustme
from typer.testing import CliRunner

from ds_actors.cli import app

pytestmark = pytest.mark.timeout(200)  # some start the command, and it starts a model

EXAMPLES = Path(__file__).parents[2] / "examples"
KEYS = {"DS_ACTORS_API_KEYS": None}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--detector", "nowhere:judge"], r"nowhere:judge cannot be loaded: ModuleNotFoundError: .*"),
        (
            ["--detector", "nothing"],
            r"no detector is called 'nothing' \(.*\); your own is module:name, or a .toml file",
        ),
        (["--detector", "x", "--workers", "0"], "workers must be 1 or more, not 0"),
        (["--detector", "x", "--batch", "0"], "batch must be 1 or more, not 0"),
        (["--detector", "x", "--deadline", "nan"], "deadline must be a finite number of seconds above 0, not nan"),
        (["--detector", "x", "--rate", "0"], "rate must be above 0, not 0.0"),
        (["--detector", "x", "--alert", "0.2"], "thresholds must be above 0, at most 1, .*alert=0.2"),
        (["--detector", "x", "--thresholds", "nope"], "--thresholds nope cannot be read: No such file or directory"),
        (["--detector", "x", "--thresholds", __file__], r"--thresholds .*\.py: not TOML: .*"),
        (["--detector", "x", "--host", "0.0.0.0"], "--host 0.0.0.0 lets other machines connect: give keys with .*"),
        (["--detector", "x", "--api-keys", "nope"], "nope cannot be read: No such file or directory"),
        (["--detector", "x", "--tls-cert", "nope"], "--tls-cert and --tls-key go together"),
        (["--detector", "x", "--tls-cert", "nope", "--tls-key", "nope"], "nope is not a file"),
        (["--detector", "x", "--host", "a..b"], "cannot listen on a..b .*; give another with --host"),
    ],
)
def test_what_cannot_begin_is_exit_2_with_the_reason(arguments: list[str], expected: str) -> None:
    """In one line, behind the one that says where thresholds come from."""
    env = KEYS | ({"DS_ACTORS_API_KEYS": "k"} if "a..b" in arguments else {})
    result = CliRunner().invoke(app, ["serve", "--port", "0", *arguments], env=env)
    assert result.exit_code == 2
    assert re.fullmatch(f"ds-actors serve: {expected}", result.stderr.splitlines()[-1])


def test_a_detector_that_cannot_be_loaded_is_never_said_to_listen() -> None:
    """The line before the reason says what was tried."""
    result = CliRunner().invoke(app, ["serve", "--port", "0", "--detector", "nowhere:judge"], env=KEYS)
    assert result.stdout.splitlines()[0] == "loading nowhere:judge"
    assert "listening" not in result.output


def test_a_port_that_is_taken_asks_for_another_one() -> None:
    """No model is loaded for it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["serve", "--detector", "x", "--port", port], env=KEYS)
    assert result.exit_code == 2
    assert result.stderr.endswith("; give another with --port\n")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"# none yet\n\n", "has no key: write one on each line"),
        (b"good\nsecret with blanks\n", "line 2 of .* must be printable ASCII without spaces"),
        (b"\xff\xfe", "cannot be read: it is not UTF-8"),
    ],
)
def test_a_file_of_keys_that_is_wrong_shows_no_key(content: bytes, expected: str, tmp_path: Path) -> None:
    """It names the line instead."""
    path = tmp_path / "keys"
    path.write_bytes(content)
    result = CliRunner().invoke(app, ["serve", "--detector", "x", "--api-keys", str(path)], env=KEYS)
    assert result.exit_code == 2
    assert re.search(expected, result.stderr)
    assert "secret" not in result.output


def test_a_certificate_that_does_not_fit_says_so(tmp_path: Path) -> None:
    """By the names of both files."""
    authority = trustme.CA()
    one, other = authority.issue_cert("a.test"), authority.issue_cert("b.test")
    certificate, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    one.cert_chain_pems[0].write_to_path(certificate)
    other.private_key_pem.write_to_path(key)
    arguments = ["serve", "--detector", "x", "--tls-cert", str(certificate), "--tls-key", str(key)]
    result = CliRunner().invoke(app, arguments, env=KEYS)
    assert result.exit_code == 2
    assert re.search(r"chain\.pem and .*key\.pem cannot be used: KEY_VALUES_MISMATCH", result.stderr)


@contextmanager
def serving(*arguments: str, **environment: str) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "ds_actors", "serve", "--port", "0", "--deadline", "120", "--json", *arguments]
    env = os.environ | environment
    with subprocess.Popen(
        command, cwd=EXAMPLES, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def event(process: subprocess.Popen[str], name: str) -> dict[str, Any]:
    assert process.stdout is not None
    while True:
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
        found: dict[str, Any] = json.loads(line)
        if found["event"] == name:
            return found


def test_a_video_is_scanned_through_a_detector_of_your_own(tmp_path: Path) -> None:
    """No sample is replaced by a newer one; SIGTERM drains, and the summary counts everything."""
    video = scan_clips.make(tmp_path / "tampered.mp4", range(0, 6_000, 500), scan_clips.tampered)
    with serving("--detector", "my_detector:judge", DS_ACTORS_API_KEYS="first,second") as process:
        url = event(process, "listening")["url"]
        event(process, "ready")
        arguments = ["scan", str(video), "--url", url, "--json", "--fps", "2"]
        done = CliRunner().invoke(app, arguments, env={"DATASPIKE_API_KEY": "second"})
        assert done.exit_code == 0, done.output
        (row,) = [json.loads(line) for line in done.stdout.splitlines()]
        refused = CliRunner().invoke(app, arguments, env={"DATASPIKE_API_KEY": "third"})
        assert refused.exit_code == 2
        process.send_signal(signal.SIGTERM)
        summary = event(process, "summary")
        assert process.wait(60) == 0
        assert process.stderr is not None
        complaint = process.stderr.read()
    assert row["outcome"] == "complete"
    assert summary["answered"] == {"clear": 8, "alert": 4}
    assert (summary["received"], summary["unsent"], summary["refused"]) == (12, 0, {"401": 1})
    assert "the thresholds are guesses" in complaint
    assert "second" not in complaint


def test_a_video_is_scanned_by_a_detector_without_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`scan --detector` needs neither a second terminal nor a key; the thresholds decide the levels."""
    video = scan_clips.make(tmp_path / "tampered.mp4", range(0, 6_000, 500), scan_clips.tampered)
    monkeypatch.chdir(EXAMPLES)
    arguments = ["scan", str(video), "--json", "--fps", "1", "--detector", "my_detector:judge"]
    done = CliRunner().invoke(app, [*arguments, "--fail-on", "alert"], env={"DATASPIKE_API_KEY": None})
    (row,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.exit_code, row["outcome"], row["levels"]) == (1, "complete", {"clear": 4, "alert": 2})
    assert "the thresholds are guesses" in done.stderr
    done = CliRunner().invoke(app, [*arguments, "--suspicious", "0.9", "--alert", "1"])
    (row,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.exit_code, done.stderr) == (0, "")
    assert set(row["levels"]) <= {"clear", "suspicious", "alert"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--detector", "nowhere:judge"], r"nowhere:judge cannot be loaded: .* \(1 of 1 video not scanned\)"),
        (["--detector", "x", "--sandbox"], "--detector goes with none of --sandbox, --api-key and --url"),
        (["--sandbox", "--alert", "0.9"], "--thresholds, --suspicious and --alert go with --detector: .*"),
        (["--detector", "x", "--alert", "0.1"], "thresholds must be above 0, .*"),
    ],
)
def test_a_scan_that_cannot_use_its_detector_is_exit_2(arguments: list[str], expected: str, tmp_path: Path) -> None:
    """With the reason, and what was not scanned; a note on its thresholds would only hide both."""
    video = scan_clips.make(tmp_path / "grey.mp4", range(0, 1_000, 500))
    done = CliRunner().invoke(app, ["scan", str(video), *arguments], env={"DATASPIKE_API_KEY": None})
    assert done.exit_code == 2
    assert re.fullmatch(f"ds-actors scan: {expected}\n", done.stderr)


def test_ctrl_c_drains_too_and_thresholds_of_your_own_need_no_word() -> None:
    """Exit code 0."""
    with serving("--detector", "my_detector:Model", "--suspicious", "0.3", "--alert", "0.6") as process:
        event(process, "ready")
        process.send_signal(signal.SIGINT)
        event(process, "summary")
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
