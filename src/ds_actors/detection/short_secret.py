"""PyJWT's warning about short secrets, where it says nothing new: `livekit-server --dev` has the secret "secret"."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

from ds_actors.detection.service import is_loopback


@contextmanager
def short_secret_permitted(url: str) -> Generator[None]:
    """Leave that warning out in this block if the server is on this machine; anywhere else, the secret is too short."""
    with warnings.catch_warnings():
        if _is_here(url):
            # By its text: older versions of PyJWT have neither the warning nor its class.
            warnings.filterwarnings("ignore", "The HMAC key is", UserWarning)
        yield


def _is_here(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
