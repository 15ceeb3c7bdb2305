"""Settings from options, variables and a file: which one applies, what is refused, and what is never shown."""

from __future__ import annotations

import errno
import os
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection import Budget, LogSink, Monitor, RotatingJsonLinesSink, SlackSink, Throttled, WebhookSink
from ds_actors.detection.service import Dataspike
from ds_actors.detection.settings import CONFIG_VARIABLE, SETTINGS, MonitorSettings, SettingsError, read_settings
from ds_actors.detection.settings.resolving import SettingsFile, resolve_settings

SECRET = "sk-very-secret"
SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def write(folder: Path, text: str) -> Path:
    path = folder / "ds.toml"
    path.write_text(text)
    return path


def read(text: str, folder: Path, **more: Any) -> MonitorSettings:
    arguments: dict[str, Any] = {"environment": {}, **more}
    return read_settings(file=write(folder, text), **arguments)


def refused(text: str, folder: Path, **more: Any) -> str:
    with pytest.raises(SettingsError) as raised:
        read(text, folder, **more)
    return str(raised.value)


LAYERS = st.dictionaries(st.sampled_from(["option", "variable", "file"]), st.integers(0, 600))


@given(LAYERS)
def test_an_option_overrides_a_variable_overrides_the_file_overrides_the_default(layers: dict[str, int]) -> None:
    """Whichever of them there are; the origin says which one it was."""
    settings = resolve_settings(
        {"sinks.cooldown": str(layers["option"])} if "option" in layers else {},
        {"DATASPIKE_COOLDOWN": str(layers["variable"])} if "variable" in layers else {},
        SettingsFile("f.toml", {"sinks": {"cooldown": layers["file"]}}) if "file" in layers else None,
    )
    found = settings["sinks.cooldown"]
    first = next((name for name in ("option", "variable", "file") if name in layers), "default")
    assert (found.origin, found.value) == (first, layers.get(first, 60))


VALUES: dict[str, tuple[str, object]] = {
    "text": ("https://127.0.0.1/x", "https://127.0.0.1/x"),
    "number": ("7.5", 7.5),
    "whole": ("50", 50),
    "switch": ("yes", True),
    "path": ("/tmp/a", "/tmp/a"),
}
SPECIAL: dict[str, tuple[str, object]] = {
    "privacy.key": ("k" * 16, "k" * 16),
    "privacy.max_side": ("640", 640),
    "tracks.sources": ("camera,unknown", "camera,unknown"),
    "tracks.forwarding": ("on_demand", "on_demand"),
    "tracks.min_side": ("360", 360),
    "results.notify": ("changes", "changes"),
    "sinks.json_lines.max_bytes": ("30000", 30_000),
}


@pytest.mark.parametrize("spec", SETTINGS, ids=lambda spec: spec.key)
def test_every_setting_means_the_same_from_everywhere(spec: Any) -> None:
    """A secret is no option: the error names its variable, and not its value."""
    text, value = SPECIAL.get(spec.key) or VALUES[spec.kind]
    table, _, name = spec.key.rpartition(".")
    nested: dict[str, Any] = {name: text.split(",") if spec.kind == "words" else value}
    for part in reversed(table.split(".")):
        nested = {part: nested}
    needed = {
        "sinks.json_lines.file": ("DATASPIKE_JSON_LINES_FILE", "/tmp/a"),
        "sinks.webhook.url": ("DATASPIKE_WEBHOOK_URL", "https://x.example"),
        "budget.bytes_per_second": ("DATASPIKE_BUDGET_BYTES_PER_SECOND", "9"),
        "privacy.pseudonyms": ("DATASPIKE_PSEUDONYMS", "on"),
    }
    environment = dict(given for key, given in needed.items() if key != spec.key)
    environment |= {"DATASPIKE_BURST_FPS": "9"} if spec.key == "sampling.normal_fps" else {}
    from_file = resolve_settings({}, environment, SettingsFile("f", nested))[spec.key]
    from_variable = resolve_settings({}, {**environment, spec.variable: text}, None)[spec.key]
    assert from_file.value == from_variable.value == value
    if not spec.secret:
        assert resolve_settings({spec.key: text}, environment, None)[spec.key].value == value
        return
    with pytest.raises(SettingsError, match=spec.variable) as raised:
        resolve_settings({spec.key: SECRET}, environment, None)
    assert SECRET not in str(raised.value)


def test_an_empty_variable_is_none() -> None:
    """As one that a shell script has cleared."""
    assert read_settings(environment={"DATASPIKE_COOLDOWN": " ", CONFIG_VARIABLE: ""}).url is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sinks.slak]\nurl = 1", "sinks.slak.url is not a setting; did you mean sinks.slack.url? (in "),
        ("[sampling]\nqualty = 1", "did you mean sampling.quality?"),
        ("zzzzz = 1", "zzzzz is not a setting; the settings are service.api_key, service.url"),
        ("sinks = 3", "sinks is a table: write [sinks]"),
        ("sampling.quality = 'high'", "sampling.quality must be a whole number, not 'high' (from "),
        ("sampling.quality = 101", "sampling.quality must be from 0 to 100, not 101"),
        ("sampling.quality = true", "must be a whole number, not True"),
        ("sampling.normal_fps = nan", "must be a number"),
        ("sampling.normal_fps = 1" + "0" * 400, "an integer may have 64 bits"),
        ("sampling.normal_fps = 3", "sampling.burst_fps must not be below sampling.normal_fps (from "),
        ("sinks.cooldown = 601", "sinks.cooldown must be from 0 to 600"),
        ("sinks.log.enabled = 1", "sinks.log.enabled must be true or false, not 1"),
        ("sinks.slack.url = ''", "sinks.slack.url must be a text"),
        ("sinks.webhook.secret = 'x'", "sinks.webhook.secret (from "),
        ("results.notify = 'al'", "results.notify must be one of all, changes, not 'al' (from "),
        ("results.notify = ['all']", "results.notify must be one of all, changes, not ['all'] (from "),
        ("tracks.sources = []", "tracks.sources must be one or several of camera, screen_share, unknown, not []"),
        ("tracks.sources = ['webcam']", "one or several of camera, screen_share, unknown, not ['webcam']"),
        ("tracks.sources = [['camera']]", "one or several of camera, screen_share, unknown, not [['camera']]"),
        ("tracks.sources = 'camera'", "one or several of camera, screen_share, unknown, not 'camera'"),
        (
            "tracks.min_side = 63",
            "tracks.min_side must be from 64 to 8,192, or 0 to choose no layer, not 63",
        ),
        ("tracks.min_side = 8193", "or 0 to choose no layer, not 8193 (from "),
        ("privacy.max_side = 63", "privacy.max_side must be from 64 to "),
        ("privacy.key = 'k'", "has no effect without privacy.pseudonyms"),
        ("privacy.key = 'k'\nprivacy.pseudonyms = true", "ds.toml): key must have at least 16 bytes"),
        ("budget.samples_per_minute = 0", "budget.samples_per_minute must be above 0, not 0.0 (from "),
        ("budget.burst_seconds = 9", "no effect without budget.samples_per_minute or budget.bytes_per_second"),
        ("budget.samples_per_minute = 0.5", "budget.samples_per_minute (from "),
        ("budget.samples_per_minute = 0.5", "make burst_seconds 120 at least"),
        ("budget.bytes_per_second = 9", "ds.toml): 9 bytes per second never make sample_bytes (100000) within"),
        ("sinks.json_lines.files = 2", "has no effect without sinks.json_lines.file"),
        ("service.proxy = 'ftp://proxy.example:1'", "service.proxy (from "),
        ("[sinks", "not TOML"),
        ("a = " + "[" * 5_000, "nested 16 deep"),
        ("a = 1" + "0" * 5_000, "an integer may have 64 bits"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(text: str, words: str, tmp_path: Path) -> None:
    """And with what would be right."""
    message = refused(text, tmp_path)
    assert words in message
    assert "ds.toml" in message or "a table" in message


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"DATASPIKE_QUALITY": "9" * 400}, "DATASPIKE_QUALITY"),
        ({"DATASPIKE_SLAK_URL": "x"}, "DATASPIKE_SLAK_URL is not a setting; did you mean DATASPIKE_SLACK_URL?"),
        ({"DATASPIKE_CONFG": "x"}, "did you mean DATASPIKE_CONFIG?"),
        (
            {"DATASPIKE_LOG_ALERTS": "perhaps"},
            "sinks.log.enabled must be true or false, not 'perhaps' (from DATASPIKE_",
        ),
        ({"DATASPIKE_COOLDOWN": "inf"}, "sinks.cooldown must be a number, not 'inf' (from DATASPIKE_COOLDOWN)"),
        ({CONFIG_VARIABLE: "/nowhere/ds.toml"}, "the settings file /nowhere/ds.toml does not exist"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(variables: dict[str, str], words: str) -> None:
    """Also one whose name is a slip."""
    with pytest.raises(SettingsError) as raised:
        read_settings(environment=variables)
    assert words in str(raised.value)


@pytest.mark.parametrize("key", ["service.api_key", "service.url", "sinks.slack.url", "sinks.webhook.secret"])
def test_a_secret_of_the_wrong_type_is_not_shown(key: str, tmp_path: Path) -> None:
    """A list of one key is a slip that is easily made."""
    message = refused(f"{key} = ['{SECRET}']\nsinks.webhook.url = 'https://x.example'", tmp_path)
    assert message.startswith(f"{key} must be a text (from ")
    assert SECRET not in message


def test_secrets_are_what_a_command_line_may_not_have() -> None:
    """Keys, and the URLs by which anybody may post."""
    assert {spec.key for spec in SETTINGS if spec.secret} == {
        "service.api_key",
        "privacy.key",
        "sinks.slack.url",
        "sinks.webhook.url",
        "sinks.webhook.secret",
        "sinks.webhook.signing_secret",
    }


def test_both_rates_may_be_the_same() -> None:
    """Then a suspicion changes nothing."""
    settings = read_settings({"sampling.normal_fps": "0.5", "sampling.burst_fps": "0.5"}, environment={})
    assert settings.normal_fps == settings.burst_fps == 0.5


def test_without_an_environment_the_processs_own_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a command or an agent."""
    monkeypatch.setenv("DATASPIKE_QUALITY", "33")
    assert read_settings().quality == 33
    assert read_settings(environment={}).quality == 75


def test_without_a_key_there_is_none_to_wrap() -> None:
    """The error of the service then says what is missing."""
    settings = read_settings(environment={})
    assert settings.api_key is None
    with pytest.raises(ValueError, match="API key"):
        settings.service()


def test_another_programs_variables_are_left_alone() -> None:
    """A name that resembles none of the settings, or that a program has beside a setting's."""
    read_settings(environment={"DATASPIKE_REGION": "eu", "DATASPIKE_URL": "x", "OTHER_COOLDOWN": "x"})
    read_settings(environment={"DATASPIKE_API_KEY_2": "k", "DATASPIKE_API_KEYS": "k,l"})


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = 1\n" * 200_000])
def test_a_file_that_is_no_text_or_too_large_is_refused(content: bytes, tmp_path: Path) -> None:
    """Before it is parsed."""
    path = tmp_path / "ds.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"ds\.toml (is not UTF-8|has over)"):
        read_settings(file=path, environment={})


def test_a_file_may_have_a_million_bytes(tmp_path: Path) -> None:
    """One more and it is refused."""
    text = "sampling.quality = 7\n#"
    assert read(text + "x" * (1_000_000 - len(text)), tmp_path).quality == 7
    assert "has over 1,000,000 bytes" in refused(text + "x" * (1_000_001 - len(text)), tmp_path)


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system says it."""

    def fail(_path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", fail)
    assert refused("", tmp_path) == f"the settings file {tmp_path / 'ds.toml'} cannot be read: Permission denied"


def test_long_names_are_cut_in_errors(tmp_path: Path) -> None:
    """A path at 300 characters, a key and what the parser says at 200."""
    path = tmp_path.joinpath(*["x" * 200] * 3)
    with pytest.raises(SettingsError) as raised:
        read_settings(file=path, environment={})
    assert str(raised.value) == f"the settings file {str(path)[:300]} does not exist, or is not a file"
    assert refused(f"{'k' * 500} = 1", tmp_path).startswith(f"{'k' * 200} is not a setting; ")
    said = refused(f"[{'k' * 500}]\n" * 2, tmp_path).split(" cannot be used: ")[1]
    assert said.startswith("not TOML: ")
    assert len(said) == 200


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused(make: Any, tmp_path: Path) -> None:
    """Without waiting for a writer."""
    make(tmp_path / "ds.toml")
    with pytest.raises(SettingsError, match="does not exist, or is not a file"):
        read_settings(file=tmp_path / "ds.toml", environment={})


def test_what_the_caller_sets_is_not_read(tmp_path: Path) -> None:
    """Neither its value nor its mistakes; unknown names stay errors."""
    text = "[sampling]\nquality = 'bad'\nburst_fps = 0.1\n[sinks.slack]\nurl = 3"
    settings = read(text, tmp_path, skipped=["sampling.quality", "sampling.burst_fps", "sinks"])
    assert (settings.quality, settings.burst_fps, settings.make_sinks()) == (75, 1.0, [])
    others = read("sampling.quality = 1\nsampling.normal_fps = 0.5", tmp_path, skipped=["sampling.quality"])
    assert (others.quality, others.normal_fps) == (75, 0.5)
    assert "is not a setting" in refused("[sinks]\nx = 1", tmp_path, skipped=["sinks"])


def test_a_path_in_the_file_begins_at_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And any other one at the current folder."""
    monkeypatch.chdir("/")
    text = "[sinks.json_lines]\nfile = 'alerts.jsonl'"
    assert read(text, tmp_path).variables()["DATASPIKE_JSON_LINES_FILE"] == str(tmp_path / "alerts.jsonl")
    variables = read(text, tmp_path, environment={"DATASPIKE_JSON_LINES_FILE": "a"}).variables()
    assert variables["DATASPIKE_JSON_LINES_FILE"] == "/a"


FULL = f"""
[service]
api_key = "{SECRET}"
url = "wss://user:{SECRET}@example.org/stream?token={SECRET}"
proxy = "http://user:{SECRET}@proxy.example:3128"
[sampling]
normal_fps = 0.5
[budget]
samples_per_minute = 60
[privacy]
pseudonyms = true
key = "{SECRET}-{SECRET}"
max_side = 640
[tracks]
sources = ["unknown", "camera", "camera"]
forwarding = "always"
min_side = 0
[results]
notify = "changes"
publish_coverage = true
[ledger]
enabled = true
[sinks]
cooldown = 30
log.enabled = true
json_lines.file = "alerts.jsonl"
[sinks.slack]
url = "https://hooks.slack.com/{SECRET}"
[sinks.webhook]
url = "https://example.org/{SECRET}"
secret = "{SECRET}"
signing_secret = "{SIGNING_SECRET}"
"""


def test_the_sinks_are_those_that_are_named(tmp_path: Path) -> None:
    """Those for people and programs are throttled, JSON lines receive everything; a monitor takes them together."""
    settings = read(FULL, tmp_path)
    log, lines, slack, webhook = settings.make_sinks("call")
    assert isinstance(lines, RotatingJsonLinesSink)
    for sink, kind in ((log, LogSink), (slack, SlackSink), (webhook, WebhookSink)):
        assert isinstance(sink, Throttled)
        assert isinstance(sink.sink, kind)
        assert sink.cooldown == 30
    records = Monitor(service=Dataspike("k"), sinks=settings.make_sinks())._hub.sinks
    assert {name for name, record in records.items() if record.reports is None} == {"json-lines"}


def test_another_process_with_the_variables_has_the_same_settings(tmp_path: Path) -> None:
    """Without the file; what is a default here may be another one there."""
    assert read_settings(environment={}).variables() == {CONFIG_VARIABLE: ""}
    settings = read(FULL, tmp_path)
    other = read_settings(environment={**settings.variables(), "PATH": "x"})
    assert {key: found.value for key, found in other.resolved.items()} == {
        key: found.value for key, found in settings.resolved.items()
    }


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Neither in what may be shown, nor in the repr of the settings, their parts and the sinks."""
    settings = read(FULL, tmp_path)
    for text in (
        repr([found.shown for found in settings.resolved.values()]),
        repr(settings),
        repr(settings.resolved),
        repr(settings.make_sinks()),
        repr(settings.api_key),
    ):
        assert SECRET not in text
        assert SIGNING_SECRET[6:] not in text
    assert settings.resolved["service.url"].shown == "wss://example.org/stream"
    assert settings.resolved["service.proxy"].shown == "http://proxy.example:3128"
    assert settings.resolved["sinks.slack.url"].shown == "https://hooks.slack.com/***"


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        ("API_KEY", SECRET, "***"),
        ("QUALITY", "50", 50),
        ("JSON_LINES_FILE", "/tmp/a", "/tmp/a"),
        ("WS_URL", "wss://x.example:8443/stream", "wss://x.example:8443/stream"),
        ("WS_URL", f"wss://x.example:{SECRET}/stream", "***"),
        ("WS_URL", f"wss://[{SECRET}", "***"),
        ("WS_URL", f"wss://x.example/{'p' * 500}", f"wss://x.example/{'p' * 184}"),
        ("WEBHOOK_URL", f"https://x.example:8443/{SECRET}?{SECRET}", "https://x.example:8443/***"),
        ("WEBHOOK_URL", "", None),
        ("PROXY", f"user:{SECRET}@proxy.example:3128", "http://proxy.example:3128"),
        ("PROXY", "proxy.example:3128", "http://proxy.example:3128"),
    ],
)
def test_what_is_shown_of_a_setting(variable: str, value: str, shown: object) -> None:
    """Enough of an address to find a slip in it; nothing of one that cannot be taken apart."""
    settings = read_settings(environment={f"DATASPIKE_{variable}": value})
    (found,) = (one for one in settings.resolved.values() if one.spec.variable == f"DATASPIKE_{variable}")
    assert found.shown == shown


def test_a_proxys_password_is_refused_on_a_command_line() -> None:
    """As every secret is; its host and port are not."""
    with pytest.raises(SettingsError, match="use the variable DATASPIKE_PROXY or the file") as raised:
        read_settings(options={"service.proxy": f"http://user:{SECRET}@proxy.example:3128"}, environment={})
    assert SECRET not in str(raised.value)
    settings = read_settings(options={"service.proxy": "proxy.example:3128"}, environment={})
    assert settings.resolved["service.proxy"].value == "proxy.example:3128"


@pytest.mark.parametrize("bad", ["sinks.slack.url = 3\n", "[sinks]\nx = 1\n", "service.url = 1\n", "[["])
def test_no_traceback_with_locals_shows_a_secret(bad: str, tmp_path: Path) -> None:
    """Not of the file, nor of the environment."""
    text = bad if bad == "[[" else bad + f"[service]\napi_key = '{SECRET}'\n"
    text = text if "service.url" not in bad else f"service.url = 1\nservice.api_key = '{SECRET}'\n"
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as raised:
        read_settings(file=path, environment={"DATASPIKE_WEBHOOK_SECRET": SECRET, "DATASPIKE_WEBHOOK_URL": "x"})
    stack = traceback.TracebackException.from_exception(raised.value, capture_locals=True).stack
    shown = [str(frame.locals) for frame in stack if "test_settings.py" not in frame.filename]
    assert shown
    assert SECRET not in "".join(shown)
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"DATASPIKE_SLACK_URL": f"http://x.example/{SECRET}"}, "sinks.slack.url (from DATASPIKE_SLACK_URL): url must"),
        ({"DATASPIKE_WEBHOOK_URL": "https://x.example", "DATASPIKE_WEBHOOK_SIGNING_SECRET": SECRET}, "signing_secret"),
        ({"DATASPIKE_JSON_LINES_FILE": "/nowhere/a"}, "sinks.json_lines.file (from DATASPIKE_JSON_LINES_FILE): path"),
    ],
)
def test_a_sink_that_cannot_be_made_names_its_setting(variables: dict[str, str], words: str) -> None:
    """And shows no secret."""
    settings = read_settings(environment=variables)
    with pytest.raises(SettingsError) as raised:
        settings.make_sinks()
    assert words in str(raised.value)
    stack = traceback.TracebackException.from_exception(raised.value, capture_locals=True).stack
    shown = "".join(str(frame.locals) for frame in stack if "test_settings.py" not in frame.filename)
    assert SECRET not in shown + str(raised.value)


def test_the_service_is_the_one_that_is_named(tmp_path: Path) -> None:
    """And the rates and the quality, too."""
    settings = read("service.url = 'wss://example.org/x'\nservice.api_key = 'k'\nsampling.normal_fps = 0.5", tmp_path)
    assert settings.service().log_url == "wss://example.org/x"
    assert settings.sampling().promise.floor_fps == 0.5


def test_each_part_of_a_monitor_gets_what_is_set(tmp_path: Path) -> None:
    """In the types that the parts take."""
    settings = read(FULL, tmp_path)
    assert settings.budget == Budget(60)
    assert (settings.privacy.pseudonyms, settings.privacy.max_side) == (True, 640)
    assert settings.privacy.wire_names() is not None
    assert (settings.sources, settings.forwarding, settings.min_side) == (("camera", "unknown"), "always", None)
    assert (settings.notify, settings.publish_coverage, settings.ledger) == ("changes", True, True)
    proxy = settings.service().proxy
    assert proxy is not None
    assert (proxy.host, proxy.port, proxy.username, proxy.password) == ("proxy.example", 3128, "user", SECRET)


def test_what_is_not_set_changes_nothing() -> None:
    """Each part has its own default."""
    settings = read_settings(environment={})
    assert (settings.budget, settings.proxy, settings.sources, settings.max_side) == (None, None, None, None)
    assert (settings.privacy.pseudonyms, settings.privacy.max_side) == (False, None)
    assert (settings.forwarding, settings.min_side) == ("auto", 540)
    assert read_settings(options={"tracks.min_side": "64"}, environment={}).min_side == 64
    assert (settings.notify, settings.publish_coverage, settings.ledger) == ("all", False, False)


def test_a_budget_may_be_of_bytes_alone() -> None:
    """And its other figures are those of the settings."""
    options = {"budget.bytes_per_second": "9000", "budget.sample_bytes": "5000", "budget.burst_seconds": "30"}
    assert read_settings(options, environment={}).budget == Budget(None, 9_000.0, 30.0, 5_000)


def test_a_key_that_is_too_short_shows_in_no_traceback_with_locals() -> None:
    """The check of the key runs where its value is."""
    with pytest.raises(SettingsError, match="at least 16 bytes") as raised:
        read_settings(environment={"DATASPIKE_PSEUDONYMS": "1", "DATASPIKE_PSEUDONYMS_KEY": SECRET})
    stack = traceback.TracebackException.from_exception(raised.value, capture_locals=True).stack
    shown = [str(frame.locals) for frame in stack if "test_settings.py" not in frame.filename]
    assert shown
    assert SECRET not in "".join(shown)
    assert raised.value.__context__ is None
