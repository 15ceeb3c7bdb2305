"""How a webhook is signed, as the Standard Webhooks specification 1.0.0 says (its symmetric scheme, `v1`). Pure.

The signature is HMAC-SHA256 over `{id}.{timestamp}.{body}`, with the secret's bytes as the key.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NoReturn

TOLERANCE: Final = 300.0
"""Seconds that a webhook's timestamp may differ from the receiver's clock, as the specification advises."""

PREFIX: Final = "whsec_"
_SHORTEST: Final = 24
_LONGEST: Final = 64
_SIGNATURES_READ: Final = 16
_ID: Final = re.compile(r"[!-\-/-~]{1,256}")  # a full stop would let two ids with two bodies have one signature
_TIMESTAMP: Final = re.compile(r"[0-9]{1,15}")


class WebhookVerificationError(Exception):
    """A request is no webhook of the sender who has the secret, or is too old; the message says why."""


class WebhookSecret:
    """A secret that signs webhooks; repr, str and format show three asterisks, and it does not pickle.

    Args:
        secret: `whsec_` and the base64 of 24 to 64 random bytes.
        setting: its name in errors.

    Raises:
        ValueError: when it has another form; the message omits the secret.
    """

    __slots__ = ("_key",)

    def __init__(self, secret: str, setting: str = "secret") -> None:
        self._key = _key_of(secret)
        # Tracebacks may show locals: no local may hold the secret when an error is raised.
        del secret
        if not self._key:
            raise ValueError(_wrong_form(setting))

    def sign(self, webhook_id: str, timestamp: int, body: bytes) -> str:
        """Return the signature as the header holds it, `v1,` and base64.

        Raises:
            ValueError: when the id or the timestamp cannot be signed without ambiguity.
        """
        if not _ID.fullmatch(webhook_id):
            raise ValueError("a webhook's id must be 1 to 256 printable ASCII characters without full stop or space")
        if not _TIMESTAMP.fullmatch(str(timestamp)):
            raise ValueError("a webhook's timestamp must be whole seconds since the epoch, 0 or more")
        content = b"%s.%d.%s" % (webhook_id.encode("ascii"), timestamp, body)
        return "v1," + base64.b64encode(hmac.digest(self._key, content, "sha256")).decode("ascii")

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a WebhookSecret cannot be pickled")


Secrets = str | WebhookSecret | Sequence[str | WebhookSecret]
"""One secret, or several while one replaces another."""


def hidden(given: list[Secrets], setting: str) -> tuple[WebhookSecret, ...]:
    """Return the secrets, wrapped; `given` is emptied, so that no frame keeps a bare one.

    Raises:
        ValueError: when a secret has another form, or none is given.
    """
    wrapped = [_wrapped(secret) for secret in _listed(given.pop())]
    if not wrapped:
        raise ValueError(f"{setting} is empty")
    found = tuple(secret for secret in wrapped if secret is not None)
    if len(found) < len(wrapped):
        raise ValueError(_wrong_form(setting))
    return found


def verified(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[WebhookSecret], now: float, tolerance: float
) -> str:
    """Return the id of a webhook that one of the secrets signed, `tolerance` seconds before or after `now` at most.

    Raises:
        WebhookVerificationError: when it is not signed so.
    """
    webhook_id, timestamp, signatures = (
        _header(headers, f"webhook-{name}") for name in ("id", "timestamp", "signature")
    )
    if not (_ID.fullmatch(webhook_id) and _TIMESTAMP.fullmatch(timestamp)):
        raise WebhookVerificationError("webhook-id or webhook-timestamp cannot be read")
    if not abs(now - int(timestamp)) <= tolerance:
        raise WebhookVerificationError(f"webhook-timestamp is not within {tolerance:g} s of this machine's clock")
    given = [signature.encode("utf-8", "replace") for signature in signatures.split(" ")[:_SIGNATURES_READ]]
    for secret in secrets:
        expected = secret.sign(webhook_id, int(timestamp), body).encode("ascii")
        if any(hmac.compare_digest(expected, signature) for signature in given):
            return webhook_id
    raise WebhookVerificationError("no signature in webhook-signature is of this body with this secret")


def _header(headers: Mapping[str, str], name: str) -> str:
    values = [value for key, value in headers.items() if key.lower() == name]
    if len(values) != 1:
        raise WebhookVerificationError(f"the header {name} is {'there twice' if values else 'missing'}")
    return values[0]


def _listed(given: Secrets) -> Sequence[str | WebhookSecret]:
    return [given] if isinstance(given, str | WebhookSecret) else given


def _wrapped(secret: str | WebhookSecret) -> WebhookSecret | None:
    with suppress(ValueError):
        return secret if isinstance(secret, WebhookSecret) else WebhookSecret(secret)
    return None


def _key_of(secret: str) -> bytes:
    """Return the key's bytes; none for a secret of another form."""
    text = secret.strip()
    if not text.startswith(PREFIX):
        return b""
    text = text.removeprefix(PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""
    return key if _SHORTEST <= len(key) <= _LONGEST else b""


def _wrong_form(setting: str) -> str:
    return f"{setting} must be {PREFIX} and the base64 of {_SHORTEST} to {_LONGEST} random bytes"
