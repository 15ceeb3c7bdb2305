"""What the doctor and the watch say of a LIVEKIT_URL that is no address of a server."""

from __future__ import annotations

import pytest

from ds_actors.cli._doctor import livekit_room
from ds_actors.cli._doctor.livekit_settings import LiveKitSettings
from ds_actors.cli._doctor.livekit_url import url_problem


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("localhost:7880", "it must begin with wss:// or ws://"),
        ("livekit.example", "it must begin with wss:// or ws://"),
        ("://livekit.example", "it must begin with wss:// or ws://"),
        ("ws:livekit.example", "it must begin with wss:// or ws://"),
        ("ftp://livekit.example", "it must begin with wss:// or ws://"),
        ("wss://", "it names no host behind wss://"),
        ("ws://:7880", "it names no host behind ws://"),
        ("wss://[livekit", "it is not a URL: Invalid IPv6 URL"),
        ("ws://127.0.0.1:port", "it is not a URL: Port could not be cast to integer value as 'port'"),
    ],
)
def test_an_address_that_cannot_be_one_is_named_with_its_form(url: str, expected: str) -> None:
    """No server is asked, so the message has neither a path of LiveKit's API nor an error of its client."""
    (result,) = livekit_room.run_server_steps(LiveKitSettings(url, "key", "secret"), 0.1)
    assert result.summary == f"LIVEKIT_URL is {url!r}: {expected}"
    assert "wss://HOST" in result.fix
    assert "ws://HOST:PORT" in result.fix


@pytest.mark.parametrize(
    ("url", "shown", "expected"),
    [
        ("wss://user:sesame@livekit.example/x", "wss://livekit.example/x", "a user name or a password"),
        ("wss://sesame@livekit.example", "wss://livekit.example", "a user name or a password"),
        ("wss://user:se@sa@me@livekit.example", "wss://livekit.example", "a user name or a password"),
        ("wss://user:sesame?sesame@livekit.example", "wss://***", "it is not a URL"),
        ("wss://livekit.example/rtc?access_token=sesame", "wss://livekit.example/rtc", "a query"),
        ("wss://livekit.example?access_token=sesame@sesame", "wss://***", "a query"),
        ("wss://livekit.example#sesame", "wss://livekit.example", "a query"),
        ("user:sesame@livekit.example", "livekit.example", "it must begin with"),
        ("wss://user:sesame@livekit.example:port", "wss://livekit.example:port", "it is not a URL"),
    ],
)
def test_what_may_be_secret_in_it_is_not_shown(url: str, shown: str, expected: str) -> None:
    """No LiveKit server takes it, so that it is refused here, not in an error of the client's."""
    (result,) = livekit_room.run_server_steps(LiveKitSettings(url, "key", "secret"), 0.1)
    assert result.summary.startswith(f"LIVEKIT_URL is {shown!r}: ")
    assert expected in result.summary
    assert "sesame" not in result.summary
    assert "sesame" not in repr(LiveKitSettings(url, "key", "secret"))


@pytest.mark.parametrize("scheme", ["ws", "wss", "http", "https", "WSS"])
def test_every_scheme_that_livekit_takes_is_one(scheme: str) -> None:
    """With a port, a path, or neither."""
    assert not any(url_problem(f"{scheme}://livekit.example{rest}") for rest in ("", "/", ":7880", ":7880/path"))
