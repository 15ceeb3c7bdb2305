"""The receiver of a webhook: it accepts what its sender signed, once, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ds_actors.detection import WebhookVerificationError, sign_webhook, verify_webhook

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # your own is random, and comes from the environment
seen: set[str] = set()  # in a real receiver: with an expiry of an hour


def receive(headers: Mapping[str, str], body: bytes) -> int:
    """Return the HTTP status for a request; `body` is exactly what came, not JSON that was read and written anew."""
    try:
        webhook_id = verify_webhook(headers, body, SECRET)
    except WebhookVerificationError as error:
        print("refused:", error)
        return 401
    if webhook_id not in seen:
        seen.add(webhook_id)
        event = json.loads(body)
        print(event["level"], "of", event["participant_id"])
    return 204


# A receiver's test: sign_webhook makes the headers that WebhookSink sends.
body = b'{"level": "alert", "participant_id": "alice"}'
signed = sign_webhook(body, SECRET, webhook_id="1")
receive(signed, body)  # prints alert of alice
receive(signed, body)  # a copy: nothing happens
receive(signed, body.replace(b"alice", b"bob"))  # prints refused: no signature
