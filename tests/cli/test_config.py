"""`ds-actors config`: which settings apply, and where each comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ds_actors.cli import app
from ds_actors.detection.settings import SETTINGS

SECRET = "sk-very-secret"
NOTHING_SET = dict.fromkeys(["DATASPIKE_CONFIG", *(spec.variable for spec in SETTINGS)])


def run(*arguments: str, command: str = "config", **environment: str) -> Result:
    result = CliRunner().invoke(app, [command, *arguments], env={**NOTHING_SET, **environment})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_each_line_has_a_value_and_where_it_comes_from(tmp_path: Path) -> None:
    """The option, the variable, the file, and for a default the variable that would set it; never a secret."""
    file = tmp_path / "ds.toml"
    file.write_text(f"[service]\napi_key = '{SECRET}'\n[sinks]\ncooldown = 30\n")
    result = run("--config", str(file), "--set", "sampling.quality=60", DATASPIKE_LOG_ALERTS="on")
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in result.stdout.splitlines()[:-1]}
    assert rows["service.api_key"] == ["***", str(file)]
    assert rows["sinks.cooldown"] == ["30", str(file)]
    assert rows["sampling.quality"] == ["60", "the command line"]
    assert rows["sinks.log.enabled"] == ["true", "DATASPIKE_LOG_ALERTS"]
    assert rows["sampling.normal_fps"] == ["0.2", "default (DATASPIKE_NORMAL_FPS)"]
    assert set(rows) == {spec.key for spec in SETTINGS}
    assert result.stdout.splitlines()[-1].endswith("; sinks beside these: log")
    assert SECRET not in result.output


def test_without_sinks_the_last_line_says_where_results_go() -> None:
    """They do go somewhere: to the room or the callback, and to the terminal of a watch."""
    last = run().stdout.splitlines()[-1]
    assert last.startswith("results go to the plugin's room or callback, and to the terminal of a watch; ")
    assert last.endswith(": none")


def test_json_is_one_object_per_setting() -> None:
    """And a last one with the sinks."""
    result = run("--json", DATASPIKE_SLACK_URL=f"https://hooks.slack.com/{SECRET}")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    (slack,) = [row for row in rows if row.get("setting") == "sinks.slack.url"]
    assert slack == {
        "setting": "sinks.slack.url",
        "variable": "DATASPIKE_SLACK_URL",
        "value": "https://hooks.slack.com/***",
        "origin": "variable",
        "where": "DATASPIKE_SLACK_URL",
    }
    assert rows[-1] == {"sinks": ["slack"]}


@pytest.mark.parametrize("command", ["config", "watch", "room"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "sinks.cooldwn=3"], "did you mean sinks.cooldown?"),
        (["--set", "sinks.cooldown"], "write KEY=VALUE"),
        (["--set", "sinks.cooldown=soon"], "must be a number, not 'soon' (from the command line)"),
        (["--set", f"service.api_key={SECRET}"], "use the variable DATASPIKE_API_KEY"),
        (["--config", "/nowhere/ds.toml"], "/nowhere/ds.toml does not exist"),
        (["--set", "sinks.json_lines.file=/nowhere/a"], "a folder that exists"),
    ],
)
def test_every_command_refuses_the_same_with_exit_2(command: str, arguments: list[str], words: str) -> None:
    """One line on stderr; nothing is started."""
    positional = ["call"] if command == "watch" else []
    result = run(*positional, *arguments, command=command, LIVEKIT_URL="ws://127.0.0.1:1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert SECRET not in result.stderr
