"""The files that a service needs: its keys and its certificate, read before anything runs."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from ds_actors.detection.service import ApiKey

KEYS_VARIABLE: Final = "DS_ACTORS_API_KEYS"


class BadFile(ValueError):
    """A file cannot be used; the message says why, and shows no key."""


def read_keys(path: Path) -> list[str]:
    """Return the keys of a file, one on each line; lines that begin with # are comments.

    Raises:
        BadFile: when it cannot be read, has no key, or one that a client could not send.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadFile(f"{path} cannot be read: it is not UTF-8") from None
    keys: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.strip().startswith("#"):
            try:
                keys.append(ApiKey(line, f"line {number} of {path}").reveal())
            except ValueError as error:
                raise BadFile(str(error)) from None
    if not keys:
        raise BadFile(f"{path} has no key: write one on each line")
    return keys


def split_keys(text: str) -> list[str]:
    """Return the keys of an environment variable, separated by commas.

    Raises:
        BadFile: when one is empty or could not be sent.
    """
    try:
        return [ApiKey(key, f"a key in {KEYS_VARIABLE}").reveal() for key in text.split(",")]
    except ValueError as error:
        raise BadFile(str(error)) from None


def read_certificate(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the TLS context of a certificate chain and its key, in PEM.

    Raises:
        BadFile: when one of them cannot be used.
    """
    for path in (certificate, key):
        if not path.is_file():
            raise BadFile(f"{path} is not a file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")  # one that needs a password is refused, not asked for
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "reason", None) or error.strerror or str(error)
        raise BadFile(f"{certificate} and {key} cannot be used: {why}") from None
    return context
