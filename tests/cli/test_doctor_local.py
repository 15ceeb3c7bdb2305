"""The doctor's checks of this machine: versions, encoder, environment, rates, clock, and how results are shown."""

from __future__ import annotations

import json
from email.utils import formatdate

import pytest

from ds_actors.cli._doctor.clock import judge_clock
from ds_actors.cli._doctor.encoder import EncodedSample, check_encoder, judge_encoder
from ds_actors.cli._doctor.environment import Rates, check_rates, masked, read_service
from ds_actors.cli._doctor.rendering import json_line, summary_line, text_lines
from ds_actors.cli._doctor.result import CheckResult, CheckStatus, any_failed, failed, passed, skipped, warned
from ds_actors.cli._doctor.versions import PLUGIN, check_versions, judge_versions
from ds_actors.detection.tracks.encoding import EncodingError, Frame

SECRET = "sk-very-secret"
INSTALLED = {
    "trio": "0.31",
    "trio-websocket": "0.12",
    "protobuf": "5",
    "pillow": "11",
    "numpy": "2",
    "simplejpeg": "1.8",
}
NOON = 1_700_000_000.0


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATASPIKE_WS_URL", "DATASPIKE_API_KEY", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_the_versions_here_belong_together() -> None:
    """What these tests run on passes."""
    assert check_versions().status is CheckStatus.OK


def test_a_missing_dependency_fails() -> None:
    """The result names it and the extra that installs it."""
    result = check_versions(lambda name: None if name == "trio-websocket" else "2.0.0")
    assert result.status is CheckStatus.FAILURE
    assert "trio-websocket" in result.summary
    assert "[detection]" in result.fix


def test_the_old_plugin_fails() -> None:
    """A plugin of version 1 does not use this library."""
    result = judge_versions({**INSTALLED, PLUGIN: "1.2.17"}, "3.11.7")
    assert result.status is CheckStatus.FAILURE
    assert "1.2.17" in result.summary


def test_the_slow_encoder_is_a_warning() -> None:
    """Without simplejpeg, everything works more slowly."""
    result = judge_versions({**INSTALLED, "simplejpeg": None}, "3.11.7")
    assert result.status is CheckStatus.WARNING


def test_encoding_gives_the_sample_to_send() -> None:
    """The result says how large it is, and what a track costs at the configured rates."""
    result, sample = check_encoder(Rates(normal_fps=0.5))
    assert result.status in (CheckStatus.OK, CheckStatus.WARNING)
    assert sample is not None
    assert sample.jpeg[:2] == b"\xff\xd8"
    assert result.details["one track, normal"] == f"{len(sample.jpeg) / 2_000:.1f} kB/s at 0.5 samples/s"


def test_an_encoder_that_fails_is_a_failure() -> None:
    """The result says why, and there is no sample."""

    def broken(_frame: Frame, _quality: int) -> bytes:
        raise EncodingError("no such codec")

    result, sample = check_encoder(Rates(), broken)
    assert result.status is CheckStatus.FAILURE
    assert "no such codec" in result.summary
    assert sample is None


def test_a_slow_encoder_is_a_warning() -> None:
    """More than 50 ms per picture."""
    assert judge_encoder(EncodedSample(b"x", 0.049), Rates()).status is CheckStatus.OK
    assert judge_encoder(EncodedSample(b"x", 0.051), Rates()).status is CheckStatus.WARNING


def test_a_missing_key_fails_and_the_way_is_still_known() -> None:
    """The fix names the variable; the service's address remains usable for the network's checks."""
    result, service = read_service({}, url="wss://detector.example/stream")
    assert result.status is CheckStatus.FAILURE
    assert "DATASPIKE_API_KEY" in result.fix
    assert service is not None
    assert service.host == "detector.example"


@pytest.mark.parametrize("key", ["two words", "schlüssel"])
def test_an_impossible_key_fails(key: str) -> None:
    """The key is not shown."""
    result, service = read_service({"DATASPIKE_API_KEY": key}, url=None)
    assert result.status is CheckStatus.FAILURE
    assert service is not None
    assert key not in repr(result)


@pytest.mark.parametrize("url", ["https://detector.example", "ws://detector.example", "wss://"])
def test_an_invalid_address_fails(url: str) -> None:
    """No step of the network can be tried."""
    result, service = read_service({"DATASPIKE_API_KEY": SECRET}, url=url)
    assert result.status is CheckStatus.FAILURE
    assert service is None


def test_an_invalid_proxy_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable, not its value."""
    monkeypatch.setenv("HTTPS_PROXY", f"ftp://user:{SECRET}@proxy")
    result, _ = read_service({"DATASPIKE_API_KEY": "k"}, url=None)
    assert result.status is CheckStatus.FAILURE
    assert "HTTPS_PROXY" in result.summary
    assert SECRET not in repr(result)


def test_a_proxy_of_the_settings_is_the_one_that_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the one of all programs; its password is not shown."""
    monkeypatch.setenv("HTTPS_PROXY", "http://other.example:1")
    environment = {"DATASPIKE_API_KEY": "k", "DATASPIKE_PROXY": f"http://user:{SECRET}@proxy.example:3128"}
    result, service = read_service(environment, url=None)
    assert service is not None
    assert service.proxy is not None
    assert service.proxy.host == "proxy.example"
    assert result.details["DATASPIKE_PROXY"] == "http://proxy.example:3128"


def test_two_of_livekits_three_variables_are_a_warning() -> None:
    """The result names the missing one."""
    environment = {"DATASPIKE_API_KEY": "k", "LIVEKIT_URL": "wss://livekit.example", "LIVEKIT_API_KEY": "k"}
    result, _ = read_service(environment, url=None)
    assert result.status is CheckStatus.WARNING
    assert "LIVEKIT_API_SECRET" in result.summary


def test_secrets_are_masked() -> None:
    """Keys show their length, and URLs lose user name, password and query."""
    environment = {
        "DATASPIKE_API_KEY": SECRET,
        "LIVEKIT_API_SECRET": SECRET,
        "LIVEKIT_TOKEN": SECRET,
        "LIVEKIT_URL": f"wss://user:{SECRET}@livekit.example:7880/?access_token={SECRET}",
        "HTTPS_PROXY": f"http://user:{SECRET}@proxy:3128",
        "http_proxy": f"user:{SECRET}@proxy:3128",
    }
    result, _ = read_service(environment, url=None)
    assert SECRET not in json_line(result)
    assert result.details["DATASPIKE_API_KEY"] == "*** (14 characters)"
    assert result.details["LIVEKIT_URL"] == "wss://livekit.example:7880/"
    assert result.details["HTTPS_PROXY"] == "http://proxy:3128"
    assert masked("LIVEKIT_URL", f"wss://user:{SECRET}@[::1") == "*** (not a URL)"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATASPIKE_NORMAL_FPS", "often"),
        ("DATASPIKE_NORMAL_FPS", "0"),
        ("DATASPIKE_BURST_FPS", "0.1"),
        ("DATASPIKE_BURST_FPS", "nan"),
        ("DATASPIKE_QUALITY", "101"),
    ],
)
def test_an_invalid_rate_fails(name: str, value: str) -> None:
    """The LiveKit plugin would refuse to start with it; later checks go on with the defaults."""
    result, rates = check_rates({name: value})
    assert result.status is CheckStatus.FAILURE
    assert name in result.fix
    assert rates == Rates()


def test_rates_come_from_the_environment() -> None:
    """Unset variables have the plugin's defaults."""
    result, rates = check_rates({"DATASPIKE_BURST_FPS": "5", "DATASPIKE_QUALITY": "60"})
    assert result.status is CheckStatus.OK
    assert rates == Rates(0.2, 5.0, 60)


@pytest.mark.parametrize(
    ("skew", "status", "word"),
    [
        (0.5, CheckStatus.OK, "agrees"),
        (5.5, CheckStatus.WARNING, "5 s ahead of"),
        (-9.5, CheckStatus.WARNING, "10 s behind"),
        (3600.5, CheckStatus.FAILURE, "3,600 s ahead of"),
    ],
)
def test_a_clock_that_is_wrong(skew: float, status: CheckStatus, word: str) -> None:
    """From 2 s it is a warning, from 30 s a failure."""
    result = judge_clock(formatdate(NOON, usegmt=True).encode(), NOON + skew)
    assert result.status is status
    assert word in result.summary


@pytest.mark.parametrize("date", [None, b"yesterday"])
def test_a_clock_that_cannot_be_compared(date: bytes | None) -> None:
    """Without a date from the service, nothing is said about the clock."""
    assert judge_clock(date, NOON).status is CheckStatus.SKIPPED


def test_a_result_is_a_line_with_its_fix_below() -> None:
    """Details appear with -v only; what a stranger's text contains cannot move the cursor."""
    result = failed("tcp", "not reached\x1b[2J", "open the firewall", port="443")
    assert text_lines(result, verbose=False) == [
        "failure  tcp                 not reached[2J",
        "         fix: open the firewall",
    ]
    assert text_lines(result, verbose=True)[2:] == ["         port: 443"]


def test_a_result_as_json() -> None:
    """Details are always there."""
    assert json.loads(json_line(warned("clock", "ahead", "synchronize it", skew="9"))) == {
        "check": "clock",
        "status": "warning",
        "summary": "ahead",
        "fix": "synchronize it",
        "details": {"skew": "9"},
    }


def test_only_failures_count_for_the_exit_code() -> None:
    """Warnings and skipped checks do not."""
    good: list[CheckResult] = [passed("a", ""), warned("b", "", "fix"), skipped("c", "")]
    assert not any_failed(good)
    assert any_failed([*good, failed("d", "", "fix")])
    assert summary_line([*good, failed("d", "", "fix")]) == "1 of 4 checks ok, 1 warning, 1 failure, 1 skipped"
