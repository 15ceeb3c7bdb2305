"""`ds-actors doctor`, as a person or a script runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ds_actors import cli
from ds_actors.cli import app
from ds_actors.cli._adapter import adapter_command
from ds_actors.cli._doctor import livekit_checks, livekit_verdicts
from ds_actors.cli._doctor.environment import LIVEKIT_VARIABLES
from ds_actors.cli._doctor.result import CheckStatus

NOTHING_SET = dict.fromkeys(
    ("DATASPIKE_CONFIG", "DATASPIKE_API_KEY", "DATASPIKE_WS_URL", "LIVEKIT_TOKEN", *LIVEKIT_VARIABLES)
)
CLOSED = "ws://127.0.0.1:1"


def run(*arguments: str, **environment: str) -> Result:
    result = CliRunner().invoke(app, ["doctor", *arguments], env={**NOTHING_SET, **environment})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_sandbox_needs_no_key() -> None:
    """Every check passes or is skipped, and the exit code is 0."""
    result = run("--sandbox")
    assert result.exit_code == 0, result.output
    assert "failure" not in result.stdout
    assert "the local sandbox as the service" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("13 of 15 checks ok")


def test_the_figures_name_the_sandbox_and_not_the_public_service() -> None:
    """What `-v` shows is what was checked."""
    shown = run("--sandbox", "-v").stdout
    assert "service: the local sandbox\n" in shown
    assert "api.dataspike.io" not in shown


def test_a_missing_key_names_the_way_without_one() -> None:
    """The doctor checks against the sandbox."""
    assert "or try --sandbox" in run("--timeout", "0.1").stdout


def test_a_failure_is_exit_1_with_its_fix() -> None:
    """The checks after it are skipped, in one line that leaves the failure in sight; JSON has an object for each."""
    result = run(DATASPIKE_API_KEY="k", DATASPIKE_WS_URL=CLOSED)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    (number,) = [number for number, line in enumerate(lines) if line.startswith("failure")]
    assert lines[number].split()[1] == "tcp"
    assert lines[number + 1].startswith("         fix: ")
    names = "proxy, tls, upgrade, key, clock, round trip, throughput"
    assert lines[number + 2].split(maxsplit=3) == ["skipped", "7", "checks", f"not tried: tcp failed ({names})"]
    assert len([line for line in lines if line.startswith("skipped")]) == 2  # and LiveKit's variables
    rows = [
        json.loads(line) for line in run("--json", DATASPIKE_API_KEY="k", DATASPIKE_WS_URL=CLOSED).stdout.splitlines()
    ]
    assert [row["check"] for row in rows if row["summary"] == "not tried: tcp failed"] == names.split(", ")


def test_json_is_one_object_per_check() -> None:
    """The option --url overrides the environment; the key is nowhere."""
    result = run("--json", "--url", CLOSED, DATASPIKE_API_KEY="sk-very-secret")
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["check"] for row in rows if row["status"] == "failure"] == ["tcp"]
    assert "sk-very-secret" not in result.stdout


def test_the_settings_file_is_read_as_by_the_monitor(tmp_path: Path) -> None:
    """Its address and key are checked as if they came from variables; a wrong name fails, with what to do."""
    file = tmp_path / "ds.toml"
    file.write_text(f'[service]\nurl = "{CLOSED}"\napi_key = "sk-very-secret"\n')
    rows = [json.loads(line) for line in run("--json", "--config", str(file)).stdout.splitlines()]
    assert [row["check"] for row in rows if row["status"] == "failure"] == ["tcp"]
    assert "sk-very-secret" not in json.dumps(rows)
    given = run("-v", "--sandbox", "--set", "sampling.quality=60", "--set", "sinks.log.enabled=yes").stdout
    assert "2 given; sinks: log" in given
    assert "sampling.quality: 60 (the command line)" in given
    file.write_text("[sinks]\ncooldwn = 1\n")
    result = run("--sandbox", DATASPIKE_CONFIG=str(file))
    assert result.exit_code == 1
    assert "did you mean sinks.cooldown" in result.stdout


def test_details_are_shown_with_v() -> None:
    """The environment's variables are among them, masked."""
    result = run("-v", "--sandbox", DATASPIKE_API_KEY="sk-very-secret")
    assert "DATASPIKE_API_KEY: *** (14 characters)" in result.stdout
    assert "sk-very-secret" not in result.stdout


@pytest.mark.parametrize("arguments", [("--timeout", "0"), ("--sandbox", "--url", CLOSED), ("--room", "")])
def test_wrong_usage_is_exit_2(arguments: tuple[str, ...]) -> None:
    """One line on stderr, and nothing is checked."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("ds-actors doctor: --")


def test_ctrl_c_is_exit_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """The results so far are on stdout, without a summary."""

    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(livekit_checks, "run", interrupted)
    result = run("--sandbox")
    assert result.exit_code == 130
    assert result.stdout.splitlines()[-1].split()[:2] == ["ok", "throughput"]


def test_livekit_without_its_sdk_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fix is the command that the other commands give too."""
    monkeypatch.setattr(livekit_checks, "has_livekit", lambda: False)
    (result,) = livekit_checks.run(dict.fromkeys(LIVEKIT_VARIABLES, "ws://127.0.0.1:1"), 1.0)
    assert result.status is CheckStatus.FAILURE
    assert result.fix == adapter_command()


def test_without_livekits_variables_livekit_is_skipped() -> None:
    """One line stands for all its checks."""
    (result,) = livekit_checks.run({"LIVEKIT_URL": "ws://127.0.0.1:1"}, 1.0)
    assert result.status is CheckStatus.SKIPPED


@pytest.mark.parametrize("arguments", [("--room", "call"), ("--agent", "")])
def test_who_asks_about_livekit_without_its_variables_is_told(arguments: tuple[str, ...]) -> None:
    """What was asked for is no skipped line: the exit code is 1."""
    result = run("--sandbox", *arguments)
    assert result.exit_code == 1
    assert "LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET are not all set" in result.stdout


def test_each_missing_grant_is_named() -> None:
    """A hidden agent is a warning: its packets arrive without a sender."""
    nothing = livekit_verdicts.judge_grants(can_subscribe=False, can_publish_data=False, hidden=False)
    assert nothing.status is CheckStatus.FAILURE
    assert "can_subscribe" in nothing.summary
    assert "can_publish_data" in nothing.summary
    hidden = livekit_verdicts.judge_grants(can_subscribe=True, can_publish_data=True, hidden=True)
    assert hidden.status is CheckStatus.WARNING


def test_few_modules_import_livekit() -> None:
    """The actor library, the monitor and every other command work without it."""
    package = Path(cli.__file__).parents[1]
    importing = re.compile(r"^\s*(from|import) livekit\b", re.MULTILINE)
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if importing.search(path.read_text("utf-8"))
    }
    assert found == {
        "cli/_doctor/livekit_connection.py",
        "cli/_doctor/livekit_dispatch.py",
        "cli/_doctor/livekit_room.py",
        "cli/_doctor/livekit_tracks.py",
        "cli/_room/tokens.py",
        "cli/_room/watcher.py",
        "cli/_watch/tokens.py",
    }
