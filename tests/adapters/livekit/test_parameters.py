"""The detector's parameters: the documented ones, those of 1.2.17, the environment, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

import pytest
from livekit.agents import APIConnectOptions
from livekit.plugins import dataspike
from livekit.plugins.dataspike import AudioParams, DataspikeDetector, VideoParams
from livekit.plugins.dataspike._forwarding import FORWARDING
from livekit.plugins.dataspike._layers import LARGEST_SIDE, MIN_SIDE, SMALLEST_SIDE
from livekit.plugins.dataspike._rules import VIDEO_SOURCES
from livekit.plugins.dataspike._settings import Notify

from ds_actors.detection import AdaptiveSampling, Budget, Dataspike, LogSink, Privacy
from ds_actors.detection.settings.schema import BY_KEY, from_value
from ds_actors.detection.tracks.link_encoder import LinkEncoder
from ds_actors.serving import Local

VARIABLES = {
    "DATASPIKE_API_KEY": "from-environment",
    "DATASPIKE_NORMAL_FPS": "0.5",
    "DATASPIKE_BURST_FPS": "4",
    "DATASPIKE_QUALITY": "60",
}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "DATASPIKE_CONFIG", "DATASPIKE_WS_URL", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


def figures(detector: DataspikeDetector) -> tuple[float, float, int]:
    promise = detector._settings.figures.sampling().promise
    return promise.floor_fps, promise.ceiling_fps, detector._settings.figures.quality


def test_the_documented_defaults() -> None:
    """0.2, 1.0 and 75, no microphones, and the room hears."""
    detector = DataspikeDetector(api_key="k")
    assert figures(detector) == (0.2, 1.0, 75)
    assert detector._settings.figures.audio is None
    assert detector._settings.sinks == ("room",)


def test_what_nobody_asked_for_is_off_and_what_the_contract_promises_is_on() -> None:
    """Every result is told, every track is subscribed to, no level is shown to everybody, nothing is recorded."""
    settings = DataspikeDetector(api_key="k")._settings
    assert (settings.notify, settings.auto_subscribe, settings.figures.audio) == ("all", True, None)
    assert (settings.mirror_levels, settings.publish_coverage, settings.ledger) == (False, False, False)
    assert (settings.rules.sources, settings.rules.track_filter, settings.rules.consent) == (None, None, None)
    assert AudioParams() == AudioParams(sample_rate=16_000, sample_size=48_000, interval=60.0)
    assert isinstance(settings.service, Dataspike)
    assert settings.service.upgrade_timeout == 10.0


def test_the_parameters_of_both_generations_say_the_same() -> None:
    """Flat ones as documented, VideoParams and AudioParams as 1.2.17 has them."""
    flat = DataspikeDetector(api_key="k", normal_fps=0.5, burst_fps=2.0, quality=50)
    params = VideoParams(burst_fps=2, normal_fps=0.5, quality=50)
    old = DataspikeDetector(
        api_key="k",
        conn_options=APIConnectOptions(max_retry=9, retry_interval=0.1, timeout=3.0),
        video_params=params,
        audio_params=AudioParams(sample_rate=16000, sample_size=48000, interval=20),
    )
    assert figures(flat) == figures(old) == (0.5, 2.0, 50)
    assert old._settings.figures.audio is not None
    assert (old._settings.figures.audio.interval, old._settings.figures.audio.normal_fps) == (20, 0.5)
    assert isinstance(old._settings.service, Dataspike)
    assert old._settings.service.upgrade_timeout == 3.0


def test_the_environment_comes_after_the_argument_and_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by itself."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert figures(DataspikeDetector()) == (0.5, 4.0, 60)
    assert figures(DataspikeDetector(burst_fps=2)) == (0.5, 2.0, 60)
    assert figures(DataspikeDetector(video_params=VideoParams())) == (0.2, 1.0, 75)


def test_the_settings_file_comes_after_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The argument first, then the variable, then the file; key and address too."""
    file = tmp_path / "ds.toml"
    file.write_text(
        "service = {api_key = 'k', url = 'wss://example.org/x'}\n"
        "sampling = {normal_fps = 0.5, burst_fps = 3, quality = 60}\n"
    )
    monkeypatch.setenv("DATASPIKE_CONFIG", str(file))
    monkeypatch.setenv("DATASPIKE_BURST_FPS", "4")
    detector = DataspikeDetector(quality=50)
    assert figures(detector) == (0.5, 4.0, 50)
    assert isinstance(detector._settings.service, Dataspike)
    assert detector._settings.service.log_url == "wss://example.org/x"
    other = DataspikeDetector(api_key="other", url="wss://example.net/", video_params=VideoParams())
    assert figures(other) == (0.2, 1.0, 75)
    assert isinstance(other._settings.service, Dataspike)
    assert (other._settings.service.key.reveal(), other._settings.service.host) == ("other", "example.net")


def test_settings_name_further_sinks_unless_the_parameter_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the room or the callback; `sinks=` overrides them, and a wrong one is refused by name."""
    monkeypatch.setenv("DATASPIKE_LOG_ALERTS", "yes")
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["log"]),
        ({"notification_cb": print}, ["log"]),
        ({"sinks": ["room"]}, []),
    ]
    for arguments, names in cases:
        detector = DataspikeDetector(api_key="k", **arguments)
        assert [sink.name for sink in detector.status().sinks] == names
    monkeypatch.setenv("DATASPIKE_SLACK_URL", "http://example.org/secret-path")
    with pytest.raises(ValueError, match=r"sinks\.slack\.url \(from DATASPIKE_SLACK_URL\)"):
        DataspikeDetector(api_key="k")
    assert DataspikeDetector(api_key="k", sinks=["room"]).status().sinks == ()


CALL = """
service.proxy = "http://proxy.example:3128"
[budget]
samples_per_minute = 60
[privacy]
pseudonyms = true
max_side = 640
[tracks]
sources = ["camera"]
forwarding = "always"
min_side = 360
[results]
notify = "changes"
publish_coverage = true
[ledger]
enabled = true
"""


def of_a_call(detector: DataspikeDetector) -> list[object]:
    settings = detector._settings
    assert isinstance(settings.service, Dataspike)
    return [
        None if settings.service.proxy is None else settings.service.proxy.host,
        settings.budget,
        settings.privacy.pseudonyms,
        settings.privacy.max_side,
        settings.rules.sources,
        settings.forwarding,
        settings.min_side,
        settings.notify,
        settings.publish_coverage,
        settings.ledger,
    ]


def test_what_goes_on_in_a_call_may_be_set_by_the_file_and_an_argument_overrides_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also one that is the default, and None where that is a value; the file's mistakes do not matter then."""
    file = tmp_path / "ds.toml"
    file.write_text(CALL)
    monkeypatch.setenv("DATASPIKE_CONFIG", str(file))
    detector = DataspikeDetector(api_key="k")
    expected = ["proxy.example", Budget(60), True, 640, ("camera",), "always", 360, "changes", True, True]
    assert of_a_call(detector) == expected
    assert detector._own_proxy
    given: dict[str, Any] = {
        "proxy": "http://other.example",
        "budget": Budget(30),
        "privacy": Privacy(),
        "sources": ("screen_share",),
        "forwarding": "auto",
        "min_side": None,
        "notify": "all",
        "publish_coverage": False,
        "ledger": False,
    }
    own = ["other.example", Budget(30), False, None, ("screen_share",), "auto", None, "all", False, False]
    assert of_a_call(DataspikeDetector(api_key="k", **given)) == own
    unlimited: dict[str, Any] = {**given, "budget": None, "sources": None}
    nothing = ["other.example", None, False, None, None, "auto", None, "all", False, False]
    assert of_a_call(DataspikeDetector(api_key="k", **unlimited)) == nothing
    file.write_text(CALL.replace('"always"', '"alway"').replace("360", "1"))
    assert of_a_call(DataspikeDetector(api_key="k", **given)) == own
    with pytest.raises(ValueError, match=r"tracks\.forwarding must be one of always, on_demand, auto, not 'alway'"):
        DataspikeDetector(api_key="k")


def test_the_settings_know_the_words_and_the_figures_of_the_plugin() -> None:
    """The library, which has no LiveKit, repeats them."""
    assert BY_KEY["tracks.forwarding"].choices == FORWARDING
    assert set(BY_KEY["tracks.sources"].choices) == set(VIDEO_SOURCES)
    assert BY_KEY["results.notify"].choices == get_args(Notify)
    assert BY_KEY["tracks.min_side"].default == MIN_SIDE
    for side in (63, 64, 8_192, 8_193):
        fits = SMALLEST_SIDE <= side <= LARGEST_SIDE
        with nullcontext() if fits else pytest.raises(ValueError, match="must be from 64 to 8,192"):
            assert from_value(BY_KEY["tracks.min_side"], side) == side


def test_a_variable_with_a_slip_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would otherwise be without effect, and without a word."""
    monkeypatch.setenv("DATASPIKE_QUALTY", "60")
    with pytest.raises(ValueError, match="DATASPIKE_QUALTY is not a setting; did you mean DATASPIKE_QUALITY"):
        DataspikeDetector(api_key="k")


def test_privacy_and_ledger_are_the_monitors() -> None:
    """Both are off by default; without a ledger, asking for it says how to have one."""
    privacy = Privacy(pseudonyms=True, max_side=640)
    detector = DataspikeDetector(api_key="k", privacy=privacy, ledger=True)
    monitor = detector._settings.make_monitor()
    assert isinstance(monitor._factory.encode, LinkEncoder)
    assert monitor._factory.encode.limit(None) == 640
    assert detector.ledger() == monitor.ledger() == ()
    with pytest.raises(RuntimeError, match="pass ledger=True"):
        DataspikeDetector(api_key="k").ledger()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"normal_fps": 0}, ValueError, ["normal_fps", "DATASPIKE_NORMAL_FPS"]),
        ({"normal_fps": float("nan")}, ValueError, ["normal_fps"]),
        ({"burst_fps": 31}, ValueError, ["burst_fps", "DATASPIKE_BURST_FPS"]),
        ({"normal_fps": 2}, ValueError, ["burst_fps", "normal_fps", "DATASPIKE_BURST_FPS", "DATASPIKE_NORMAL_FPS"]),
        ({"quality": 101}, ValueError, ["quality", "DATASPIKE_QUALITY"]),
        ({"quality": 75.0}, ValueError, ["quality", "integer"]),
        ({"normal_fps": "1"}, ValueError, ["normal_fps"]),
        ({"quality": 50, "video_params": VideoParams()}, TypeError, ["quality", "video_params"]),
        ({"burst_fps": 1, "sampling": lambda: None}, TypeError, ["burst_fps", "sampling"]),
        ({"sources": "camera"}, TypeError, ["sources", "('camera',)"]),
        ({"sources": ["microphone"]}, ValueError, ["microphone"]),
        ({"sinks": "room"}, TypeError, ["sinks"]),
        ({"sinks": ["rooom"]}, ValueError, ["rooom"]),
        ({"sinks": ["room", "room"]}, ValueError, ["same name"]),
        ({"sinks": [print]}, TypeError, ["CallbackSink", "print"]),
        ({"sampling": AdaptiveSampling()}, TypeError, ["lambda: AdaptiveSampling(...)"]),
        ({"budget": 600}, TypeError, ["budget", "Budget(samples_per_minute=600)"]),
        ({"audio_params": True}, TypeError, ["audio_params", "AudioParams()"]),
        ({"destination_identities": "bob"}, TypeError, ["destination_identities", "['bob']"]),
        ({"destination_identities": ["bob"], "sinks": []}, TypeError, ["destination_identities", "sinks"]),
        ({"mirror_levels": True, "destination_identities": ["bob"]}, TypeError, ["mirror_levels", "destination_ident"]),
        ({"mirror_levels": True, "notification_cb": print}, TypeError, ["mirror_levels", "notification_cb"]),
        ({"notification_cb": "print"}, TypeError, ["notification_cb"]),
        ({"notify": "some"}, ValueError, ["notify"]),
        ({"assessment": "bayes"}, ValueError, ["assessment", "evidence", "bayes"]),
        ({"min_confirmations": 0}, ValueError, ["min_confirmations"]),
        ({"min_confirmations": 2, "assessment": "evidence"}, ValueError, ["min_confirmations", "leave one"]),
        ({"api_key": ""}, ValueError, ["api_key", "DATASPIKE_API_KEY"]),
        ({"url": "ws://elsewhere.example/"}, ValueError, ["url", "DATASPIKE_WS_URL", "allow_insecure"]),
        ({"conn_options": APIConnectOptions(timeout=0)}, ValueError, ["timeout"]),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    arguments: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    """In the constructor, naming the parameter and its variable."""
    all_arguments: dict[str, Any] = {"api_key": "k", **arguments}
    with pytest.raises(error) as raised:
        DataspikeDetector(**all_arguments)
    for word in words:
        assert word in str(raised.value)


def test_no_key_is_an_error_that_names_the_variable() -> None:
    """As soon as the detector is made, not when the room is joined."""
    with pytest.raises(ValueError, match="DATASPIKE_API_KEY"):
        DataspikeDetector()


def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is no number."""
    monkeypatch.setenv("DATASPIKE_QUALITY", "high")
    with pytest.raises(ValueError, match=r"quality.*'high'.*DATASPIKE_QUALITY"):
        DataspikeDetector(api_key="k")
    monkeypatch.setenv("DATASPIKE_QUALITY", "101")
    with pytest.raises(ValueError, match=r"quality.*101.*DATASPIKE_QUALITY"):
        DataspikeDetector(api_key="k")


@pytest.mark.parametrize("name", ["consent", "track_filter"])
def test_what_is_asked_on_the_loop_cannot_be_awaited(name: str) -> None:
    """A coroutine function would be truthy, and let everybody be watched."""

    async def function(*_: object) -> bool:
        return False

    arguments: dict[str, Any] = {name: function}
    with pytest.raises(TypeError, match=name):
        DataspikeDetector(api_key="k", **arguments)


def test_parameters_are_keywords_only() -> None:
    """So that no position ever means another thing."""
    with pytest.raises(TypeError):
        DataspikeDetector("k")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("arguments", [{"sample_rate": 8000}, {"sample_size": 16000}, {"interval": 0}])
def test_audio_that_the_service_does_not_take_is_refused(arguments: dict[str, Any]) -> None:
    """16 kHz and 48,000 samples are all that it takes."""
    with pytest.raises(ValueError, match=next(iter(arguments))):
        AudioParams(**arguments)


def test_with_a_callback_the_room_hears_only_when_told_to() -> None:
    """`sinks` decides, several at once."""
    assert DataspikeDetector(api_key="k", notification_cb=print)._settings.sinks == ()
    both = DataspikeDetector(api_key="k", notification_cb=print, sinks=["room", LogSink()])
    assert [sink if isinstance(sink, str) else sink.name for sink in both._settings.sinks] == ["room", "log"]


@pytest.mark.parametrize("wrong", [{"quality": 101}, {"url": "ws://elsewhere.example/"}])
def test_the_key_shows_nowhere(wrong: dict[str, Any]) -> None:
    """Not in the detector's repr, its state, or what a failing constructor leaves in its frames."""
    detector = DataspikeDetector(api_key="secret-key")
    assert "secret-key" not in repr(detector)
    assert "secret-key" not in repr(vars(detector))
    with pytest.raises(ValueError, match=next(iter(wrong))) as raised:
        DataspikeDetector(api_key="secret-key", **wrong)
    frames = [entry.frame for entry in raised.traceback if "tests" not in str(entry.path)]
    assert frames
    for frame in frames:
        assert "secret-key" not in repr(frame.f_locals)


def test_star_import_and_the_old_name_of_the_result() -> None:
    """`import *` gives what `__all__` says, and type hints written for 1.2.17 still import."""
    names: dict[str, Any] = {}
    exec("from livekit.plugins.dataspike import *", names)
    assert set(dataspike.__all__) <= set(names)
    from livekit.plugins.dataspike.schema_pb2 import DeepfakeStreamingSchemaResultEvent

    assert DeepfakeStreamingSchemaResultEvent is dataspike.ResultEvent is names["DeepfakeStreamingSchemaResultEvent"]


def test_importing_starts_nothing_and_the_namespaces_stay_open() -> None:
    """LiveKit imports plugins before it forks: no thread, no native library at work, no __init__ above the plugin."""
    program = """
import threading
from livekit.plugins import dataspike
import livekit, livekit.plugins
from livekit.rtc._ffi_client import FfiClient
from livekit.agents import Plugin
assert threading.active_count() == 1, threading.enumerate()
assert FfiClient._instance is None
assert livekit.__file__ is None and livekit.plugins.__file__ is None
[plugin] = [found for found in Plugin.registered_plugins if found.package == "livekit.plugins.dataspike"]
assert plugin.version == dataspike.__version__ == "2.0.0"
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_service_of_your_own_takes_the_place_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable is read; with a setting of the connection beside it, both are named and no key is shown."""
    monkeypatch.delenv("DATASPIKE_API_KEY", raising=False)
    service = Local(len)
    assert DataspikeDetector(service=service).status().state == "idle"
    for setting in ({"api_key": "secret"}, {"url": "wss://a.test"}, {"proxy": "http://a.test"}):
        with pytest.raises(TypeError, match=f"{next(iter(setting))} and service mean the same") as raised:
            DataspikeDetector(service=service, **setting)  # type: ignore[arg-type]
        assert raised.tb.tb_next is not None
        assert "secret" not in repr(raised.tb.tb_next.tb_frame.f_locals)
