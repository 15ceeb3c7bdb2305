"""Signatures of webhooks, against the specification's own verifier and its published vector."""

from __future__ import annotations

import base64
import pickle
import time
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from ds_actors.detection import WebhookSecret, WebhookVerificationError, sign_webhook, verify_webhook

NOW = 1_614_265_330.0
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = b'{"test": 2432232314}'
SIGNED = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
KEYS = st.binary(min_size=24, max_size=64)
IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="."), min_size=1, max_size=64)


def secret_of(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def test_the_published_example_has_this_signature() -> None:
    """The same id, time, body and secret give the signature that the specification's libraries test."""
    assert sign_webhook(BODY, SECRET, webhook_id=SIGNED["webhook-id"], now=NOW) == SIGNED
    assert verify_webhook(SIGNED, BODY, SECRET, now=NOW) == SIGNED["webhook-id"]


@given(st.text().map(str.encode), KEYS, IDS)
def test_the_specifications_own_verifier_accepts_what_is_signed(body: bytes, key: bytes, webhook_id: str) -> None:
    """Any body, secret and id; and this verifier accepts what that library signs."""
    signed = sign_webhook(body, secret_of(key), webhook_id=webhook_id)
    Webhook(secret_of(key)).verify(body, signed, json_parse=False)
    assert verify_webhook(signed, body, secret_of(key)) == webhook_id


@given(st.binary(), KEYS, IDS, st.sampled_from(["body", "webhook-id", "webhook-timestamp", "webhook-signature", "key"]))
def test_one_changed_byte_is_refused_wherever_it_is(body: bytes, key: bytes, webhook_id: str, where: str) -> None:
    """In the body, in each header, in the secret."""
    headers = sign_webhook(body, secret_of(key), webhook_id=webhook_id, now=NOW)
    if where == "body":
        body += b" "
    elif where == "key":
        key = bytes([key[0] ^ 1]) + key[1:]
    elif where == "webhook-signature":
        signature = headers[where]
        headers[where] = signature[:3] + ("A" if signature[3] != "A" else "B") + signature[4:]
    else:
        headers[where] = headers[where][:-1] + ("1" if headers[where][-1] != "1" else "2")
    with pytest.raises(WebhookVerificationError, match="no signature"):
        verify_webhook(headers, body, secret_of(key), now=NOW)


@pytest.mark.parametrize(("late", "taken"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)])
def test_a_copy_sent_later_is_refused(late: float, taken: bool) -> None:
    """Five minutes either way by default, and what `tolerance` says."""
    if taken:
        verify_webhook(SIGNED, BODY, SECRET, now=NOW + late)
    else:
        with pytest.raises(WebhookVerificationError, match=r"not within 300 s"):
            verify_webhook(SIGNED, BODY, SECRET, now=NOW + late)
    verify_webhook(SIGNED, BODY, SECRET, now=NOW + late, tolerance=301)
    with pytest.raises(WebhookVerificationError, match="not within"):
        verify_webhook({**SIGNED, "webhook-timestamp": "9" * 15}, BODY, SECRET)
    assert abs(int(sign_webhook(BODY, SECRET)["webhook-timestamp"]) - time.time()) < 60


def test_while_one_secret_replaces_another_both_are_accepted() -> None:
    """The sender signs with both, a receiver may know either; signatures of other schemes are passed over."""
    signed = sign_webhook(BODY, [SECRET, OTHER], now=NOW)
    assert len(signed["webhook-signature"].split(" ")) == 2
    for known in (SECRET, OTHER, [WebhookSecret(OTHER)]):
        verify_webhook(signed, BODY, known, now=NOW)
    theirs = {**SIGNED, "webhook-signature": f"v1a,AAAA nonsense v1,{'A' * 44} {SIGNED['webhook-signature']}"}
    verify_webhook(theirs, BODY, [OTHER, SECRET], now=NOW)
    with pytest.raises(WebhookVerificationError):
        verify_webhook(theirs, BODY, OTHER, now=NOW)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "webhook-id is missing"),
        ({**SIGNED, "webhook-signature": ""}, "no signature"),
        ({**SIGNED, "webhook-signature": "v1,\u00e9\ud800"}, "no signature"),
        ({**SIGNED, "WEBHOOK-ID": "msg_2"}, "webhook-id is there twice"),
        ({**SIGNED, "webhook-id": "a.1"}, "cannot be read"),
        ({**SIGNED, "webhook-timestamp": "1e9"}, "cannot be read"),
        ({**SIGNED, "webhook-timestamp": "1\u0661"}, "cannot be read"),
        ({**SIGNED, "webhook-timestamp": "9" * 5_000}, "cannot be read"),
    ],
)
def test_headers_that_cannot_be_trusted_are_refused_with_their_reason(headers: dict[str, str], why: str) -> None:
    """One error type for all; names in any case are read."""
    with pytest.raises(WebhookVerificationError, match=why):
        verify_webhook(headers, BODY, SECRET, now=NOW)
    verify_webhook({name.title(): value for name, value in SIGNED.items()}, BODY, SECRET, now=NOW)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_aGVsbG8=",
        "whsec_" + "!" * 40,
        f"{SECRET[:20]}!{SECRET[20:]}",
        SECRET[6:],
        secret_of(b"x" * 65),
    ],
)
def test_a_secret_of_another_form_is_refused_and_not_shown(secret: str) -> None:
    """Too short, too long, not base64, without its prefix; no traceback's locals have it."""
    for bad in (secret, [OTHER, secret]):
        with pytest.raises(ValueError, match=r"^secret must be whsec_ and the base64 of ") as raised:
            sign_webhook(b"", bad)
        frames = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
        frames.stack = traceback.StackSummary.from_list(list(frames.stack)[1:])  # this test's own frame knows it
        assert len(frames.stack) >= 2
        assert len(secret) < 8 or secret not in "".join(frames.format())


def test_the_object_that_refuses_a_secret_does_not_keep_it() -> None:
    """Neither in the error, nor in the locals of its traceback."""
    secret = secret_of(b"x" * 65)
    with pytest.raises(ValueError, match=r"^webhook.secret must be whsec_ and ") as raised:
        WebhookSecret(secret, "webhook.secret")
    _, own = traceback.TracebackException.from_exception(raised.value, capture_locals=True).stack
    assert own.locals
    assert secret not in f"{own.locals} {raised.value}"


def test_a_secret_shows_itself_nowhere() -> None:
    """Three asterisks, no pickle; an empty list of secrets is an error."""
    secret = WebhookSecret(SECRET)
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)
    with pytest.raises(ValueError, match="secret is empty"):
        verify_webhook(SIGNED, BODY, [])
    with pytest.raises(ValueError, match="tolerance"):
        verify_webhook(SIGNED, BODY, secret, tolerance=float("nan"))
    for webhook_id, now in (("a.b", NOW), ("", NOW), ("a", -1)):
        with pytest.raises(ValueError, match=r"a webhook's (id|timestamp) must be"):
            sign_webhook(BODY, secret, webhook_id=webhook_id, now=now)
