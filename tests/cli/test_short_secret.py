"""PyJWT's warning about short secrets, where the commands make tokens."""

from __future__ import annotations

import warnings

import pytest

from ds_actors.cli._doctor import livekit_room
from ds_actors.cli._doctor.livekit_settings import LiveKitSettings
from ds_actors.cli._watch.monitor import silent_token


def warned_of(url: str, secret: str = "secret") -> list[str]:
    """Return what a token for `watch` and the doctor's request warn of."""
    settings = LiveKitSettings(url, "devkey", secret)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert silent_token(settings, "call", "monitor", hidden=False).count(".") == 2
        livekit_room.run_server_steps(settings, 0.5)
        warnings.warn("the program's own", UserWarning, stacklevel=1)
    assert str(caught.pop().message) == "the program's own"
    return [name for warning in caught if (name := type(warning.message).__name__) != "ResourceWarning"]


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1", "http://localhost:1", "ws://[::1]:1"])
def test_the_secret_of_a_server_on_this_machine_may_be_short(url: str) -> None:
    """As that of `livekit-server --dev` is."""
    assert warned_of(url) == []


@pytest.mark.parametrize("url", ["wss://demo.invalid", "ws://localhost.invalid:1", "ws://[bad"])
def test_the_secret_of_another_server_may_not(url: str) -> None:
    """Of watch's token, and of the doctor's."""
    assert set(warned_of(url)) == {"InsecureKeyLengthWarning"}


def test_a_long_secret_is_no_matter() -> None:
    """Wherever the server is."""
    assert warned_of("wss://demo.invalid", "s" * 32) == []
