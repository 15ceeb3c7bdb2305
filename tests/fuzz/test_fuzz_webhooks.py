"""Webhooks: requests of others, and requests of the sender with damage."""

from __future__ import annotations

import base64

import pytest
from fuzzing import damaged, fuzzed
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection import WebhookVerificationError, sign_webhook, verify_webhook

NOW = 1_700_000_000.0
SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
BODY = b'{"type": "deepfake_alert", "level": "alert"}'
SIGNED = sign_webhook(BODY, SECRET, webhook_id="event", now=NOW)


def damaged_text(text: str) -> st.SearchStrategy[str]:
    return damaged(st.just(text.encode())).map(lambda data: data.decode("utf-8", "surrogateescape"))


HEADERS = st.fixed_dictionaries({name: damaged_text(value) | st.text(max_size=60) for name, value in SIGNED.items()})
OTHERS = st.dictionaries(st.sampled_from([*SIGNED, "Webhook-Id", "WEBHOOK-SIGNATURE", "host"]), st.text(max_size=60))


@fuzzed("webhooks")
@given(HEADERS | OTHERS | st.just(SIGNED), damaged(st.just(BODY)) | st.binary(max_size=40), st.integers(0, 600))
def test_nothing_but_the_senders_own_request_is_accepted(headers: dict[str, str], body: bytes, late: int) -> None:
    """Id, time and body as they were signed, with the signature among those given, and in time."""
    genuine = (
        body == BODY
        and all(headers.get(name) == SIGNED[name] for name in ("webhook-id", "webhook-timestamp"))
        and SIGNED["webhook-signature"] in headers.get("webhook-signature", "").split(" ")[:16]
        and len({name.lower() for name in headers}) == len(headers)
        and late <= 300
    )
    if genuine:
        assert verify_webhook(headers, body, SECRET, now=NOW + late) == "event"
    else:
        with pytest.raises(WebhookVerificationError):
            verify_webhook(headers, body, SECRET, now=NOW + late)
