"""The other end of a webhook: what a receiver calls to verify a request, and its tests to make one."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from ds_actors.detection.sinks._signatures import TOLERANCE, Secrets, hidden, verified


def verify_webhook(
    headers: Mapping[str, str], body: bytes, secret: Secrets, *, tolerance: float = TOLERANCE, now: float | None = None
) -> str:
    """Return the id of a webhook that was signed with the secret; remember it, to drop copies.

    Args:
        headers: the request's; upper and lower case are the same.
        body: exactly as received: JSON that was read and written anew has another signature.
        secret: the sender's `signing_secret`; several while one replaces another.
        tolerance: seconds that the timestamp may differ from this machine's clock.
        now: seconds since the epoch; by default this machine's clock.

    Raises:
        WebhookVerificationError: when it was not signed so, or is too old or too new; answer 401.
        ValueError: when secret or tolerance cannot be used.
    """
    given = [secret]
    del secret
    secrets = hidden(given, "secret")
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance must be a finite number of seconds, 0 or more, not {tolerance!r}")
    return verified(headers, body, secrets, time.time() if now is None else now, tolerance)


def sign_webhook(body: bytes, secret: Secrets, *, webhook_id: str = "test", now: float | None = None) -> dict[str, str]:
    """Return the three headers that WebhookSink sends with this body: for a receiver's tests.

    Raises:
        ValueError: when secret, id or time cannot be used.
    """
    given = [secret]
    del secret
    secrets = hidden(given, "secret")
    timestamp = int(time.time() if now is None else now)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": f"{timestamp}",
        "webhook-signature": " ".join(key.sign(webhook_id, timestamp, body) for key in secrets),
    }
