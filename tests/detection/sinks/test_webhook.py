"""Events posted to a real HTTP server."""

from __future__ import annotations

import json
import re
import ssl
import sys
import traceback
from pathlib import Path

import pytest
import trio
import trustme
from attrs import define, evolve
from standardwebhooks import Webhook
from waiting import until_in_trio
from web_hooks import hooks

from ds_actors._extras import install_command
from ds_actors.detection import (
    AdaptiveSampling,
    Dataspike,
    Frame,
    Monitor,
    ResultEvent,
    TrackInfo,
    WebhookSink,
    verify_webhook,
)
from ds_actors.detection.events import Level, ResultType
from ds_actors.detection.sinks import WebhookError
from ds_actors.detection.sinks._retries import PostFailure
from ds_actors.sandbox import open_sandbox
from ds_actors.testing import run_virtual

SECRET = "whsec-very-secret"
SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = ResultEvent(ResultType.ALERT, "alice\né", "TR_1", "so it is", 7, previous_level=Level.CLEAR)


async def failure(sink: WebhookSink) -> WebhookError:
    with pytest.raises(WebhookError) as raised, trio.fail_after(20):
        await sink.deliver(EVENT)
    return raised.value


async def test_an_event_is_posted_as_json_with_its_secret_in_a_header() -> None:
    """Path, query, type, payload and bearer token arrive as they are; one request an event."""
    async with hooks() as server:
        sink = WebhookSink(f"http://127.0.0.1:{server.port}/hook/a?b=c", secret=SECRET)
        await sink.deliver(EVENT)
        await sink.deliver(EVENT)
    assert len(server.requests) == 2
    lines, body = server.requests[0]
    assert lines[0] == "POST /hook/a?b=c HTTP/1.1"
    assert f"Authorization: Bearer {SECRET}" in lines
    assert "Content-Type: application/json" in lines
    assert json.loads(body) == EVENT.dict()
    assert body.isascii()


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500, 503])
async def test_any_answer_but_2xx_is_a_failure_that_names_it(status: int) -> None:
    """A redirect too, which is not followed: it was not taken."""
    answer = f"HTTP/1.1 {status} Because\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".encode()
    async with hooks(answer) as server:
        error = await failure(WebhookSink(f"http://127.0.0.1:{server.port}/", retry_for=0))
    assert f"HTTP {status}" in str(error)
    assert len(server.requests) == 1


async def test_an_event_is_posted_again_with_the_same_key_until_it_is_taken() -> None:
    """After 503 and after an answer that is no HTTP; another event has another key, with the same payload too."""
    async with hooks() as server:
        server.first = [b"HTTP/1.1 503 Later\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", b"220 what\r\n"]
        sink = WebhookSink(f"http://127.0.0.1:{server.port}/")
        sink._random = lambda: 0.0
        with trio.fail_after(20):
            await sink.deliver(EVENT)
            await sink.deliver(evolve(EVENT, sequence=EVENT.sequence + 1))
    keys = [line for lines, _ in server.requests for line in lines if line.startswith("Idempotency-Key: ")]
    assert len(server.requests) == len(keys) == 4
    assert keys[0] == keys[1] == keys[2] != keys[3]


async def test_each_post_is_signed_anew_with_the_id_of_its_event() -> None:
    """The specification's own verifier takes both posts; the signing secret itself is never sent."""
    async with hooks() as server:
        server.first = [b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n"]
        sink = WebhookSink(f"http://127.0.0.1:{server.port}/", signing_secret=SIGNING_SECRET)
        sink._random = lambda: 0.0
        with trio.fail_after(20):
            await sink.deliver(EVENT)
    assert len(server.requests) == 2
    ids: list[str] = []
    for lines, body in server.requests:
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        Webhook(SIGNING_SECRET).verify(body, headers)
        assert headers["webhook-id"] == headers["idempotency-key"]
        ids.append(verify_webhook(headers, body, SIGNING_SECRET))
        assert SIGNING_SECRET[6:] not in "".join(lines) + body.decode()
    assert ids[0] == ids[1]


def test_a_signing_secret_is_not_sent_by_mistake() -> None:
    """As the bearer's secret it is refused, and a bearer's secret does not sign; an empty list signs nothing."""
    with pytest.raises(ValueError, match=r"pass a whsec_ secret as signing_secret$"):
        WebhookSink("https://example.org/", secret=SIGNING_SECRET)
    with pytest.raises(ValueError, match=r"^signing_secret must be whsec_ and the base64 of"):
        WebhookSink("https://example.org/", signing_secret=SECRET)
    with pytest.raises(ValueError, match=r"^signing_secret is empty"):
        WebhookSink("https://example.org/", signing_secret=[])


async def test_an_event_that_can_never_be_taken_is_posted_once() -> None:
    """A status that says so ends the delivery at once."""
    async with hooks(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n") as server:
        assert "HTTP 410" in str(await failure(WebhookSink(f"http://127.0.0.1:{server.port}/")))
    assert len(server.requests) == 1


def test_posting_again_ends_with_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """No post begins more than `retry_for` seconds after the first, however long the service is away."""
    posted: list[float] = []

    async def post(_sink: WebhookSink, _event: ResultEvent, _tls: ssl.SSLContext) -> PostFailure:
        posted.append(trio.current_time())
        await trio.sleep(0.1)
        return PostFailure("ConnectError")

    async def main() -> None:
        sink = WebhookSink("https://example.org/", retry_for=20, ssl_context=ssl.create_default_context())
        monkeypatch.setattr(WebhookSink, "_post", post)
        with pytest.raises(WebhookError, match=r"^example\.org: ConnectError$"):
            await sink.deliver(EVENT)
        assert trio.current_time() <= 20.1

    run_virtual(main)
    assert 5 <= len(posted) <= 12
    assert posted[-1] <= 20


async def test_an_endless_body_is_not_read() -> None:
    """The status is all that is asked for."""
    async with hooks(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") as server:
        with trio.fail_after(20):
            await WebhookSink(f"http://127.0.0.1:{server.port}/").deliver(EVENT)


async def test_silence_nobody_and_garbage_are_failures() -> None:
    """Each in its words, and within the timeout."""
    async with hooks(b"") as server:
        sink = WebhookSink(f"http://127.0.0.1:{server.port}/", timeout=0.3, retry_for=0)
        assert "longer than 0.3 s" in str(await failure(sink))
    assert "ConnectError" in str(await failure(sink))
    async with hooks(b"220 no such protocol\r\n") as server:
        sink = WebhookSink(f"http://127.0.0.1:{server.port}/", retry_for=0)
        assert "ProtocolError" in str(await failure(sink))


async def test_https_is_verified() -> None:
    """With the right authority it arrives; without it nothing is sent."""
    authority = trustme.CA()
    theirs, ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(theirs)  # pyright: ignore[reportUnknownMemberType]
    authority.configure_trust(ours)  # pyright: ignore[reportUnknownMemberType]
    async with hooks(context=theirs) as server:
        url = f"https://localhost:{server.port}/"
        await WebhookSink(url, ssl_context=ours).deliver(EVENT)
        assert len(server.requests) == 1
        assert "ConnectError" in str(await failure(WebhookSink(url, retry_for=0)))
        assert len(server.requests) == 1


async def test_what_ssl_cert_file_names_is_trusted_and_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read at a delivery, in another thread, and not for plain HTTP to this machine."""
    authority, bundle = trustme.CA(), tmp_path / "bundle.pem"
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(theirs)  # pyright: ignore[reportUnknownMemberType]
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    async with hooks(context=theirs) as server, hooks() as plain:
        sink = WebhookSink(f"https://localhost:{server.port}/")
        assert f"SSL_CERT_FILE names {str(bundle)!r}, which cannot be used" in str(await failure(sink))
        await WebhookSink(f"http://127.0.0.1:{plain.port}/").deliver(EVENT)
        authority.cert_pem.write_to_path(bundle)
        await sink.deliver(EVENT)
        assert (len(server.requests), len(plain.requests)) == (1, 1)


async def test_a_proxy_is_asked_with_its_own_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """And sees the host alone; what it refuses is a failure."""
    async with hooks(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:word@127.0.0.1:{proxy.port}")
        assert "ProxyError" in str(await failure(WebhookSink("https://example.org/hook", secret=SECRET, retry_for=0)))
    ((lines, _body),) = proxy.requests
    assert lines[0] == "CONNECT example.org:443 HTTP/1.1"
    assert "Proxy-Authorization: Basic dXNlcjp3b3Jk" in lines
    assert SECRET not in "".join(lines)


async def test_secrets_are_in_no_repr_message_log_or_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """Tracebacks with their locals, and httpx's own log included; a path may be a secret as well."""
    caplog.set_level("INFO")
    async with hooks(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n") as server:
        sink = WebhookSink(
            f"http://127.0.0.1:{server.port}/{SECRET}?key={SECRET}",
            secret=SECRET,
            signing_secret=SIGNING_SECRET,
            retry_for=0,
        )
        error = await failure(sink)
        del server  # it has seen them all
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert SECRET not in shown + repr(sink) + caplog.text
    assert SIGNING_SECRET[6:] not in shown + repr(sink) + caplog.text
    for secret, timeout in ((f"{SECRET} \n", 10.0), (SECRET, -1.0), (f"{SECRET} x", 10.0)):
        try:
            WebhookSink(
                f"https://example.org/{SECRET}#x", secret=secret, signing_secret=[SIGNING_SECRET], timeout=timeout
            )
        except ValueError as wrong:
            frames = traceback.TracebackException.from_exception(wrong, capture_locals=True)
            frames.stack = traceback.StackSummary.from_list(list(frames.stack)[1:])  # this test's own frame knows it
            assert SECRET not in "".join(frames.format())
            assert SIGNING_SECRET not in "".join(frames.format())
        else:
            pytest.fail("it was accepted")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "http://127.0.0.1.example.org/",
        "https://",
        "https:///path",
        "https://user@example.org/",
        "https://example.org:0/",
        "https://example.org:x/",
        "https://example.org/#part",
        "https://example.org/a b",
        "https://exämple.org/",
        "https://[fe80::1%eth0]/",
        "http://[::1%eth0]/",
        "ftp://127.0.0.1/",
        "/hook",
        "",
    ],
)
def test_a_url_that_shows_events_to_others_or_is_none_is_refused(url: str) -> None:
    """Before anything is sent; the message names the parameter."""
    with pytest.raises(ValueError, match=r"^url must begin with https://"):
        WebhookSink(url)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_other_values_that_cannot_be_used_are_named(timeout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Timeout, secret, TLS context, proxy."""
    url = "https://example.org/"
    with pytest.raises(ValueError, match=r"^timeout"):
        WebhookSink(url, timeout=timeout)
    with pytest.raises(ValueError, match=r"^retry_for"):
        WebhookSink(url, retry_for=-1 if timeout == 0 else timeout)
    with pytest.raises(ValueError, match=r"^secret is empty"):
        WebhookSink(url, secret="")
    lax = ssl.create_default_context()
    lax.check_hostname = False
    with pytest.raises(ValueError, match=r"^ssl_context"):
        WebhookSink(url, ssl_context=lax)
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy")
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY"):
        WebhookSink(url)
    WebhookSink("https://localhost/")
    monkeypatch.setenv("NO_PROXY", "example.org:443")
    WebhookSink(url)
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY"):
        WebhookSink("https://example.org:8443/")


def test_without_httpx_it_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the sink is made, not when the first event comes."""
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ModuleNotFoundError, match=re.escape(install_command("webhook"))):
        WebhookSink("https://example.org/")


@define(eq=False)
class Grey:
    """A camera that always has a frame."""

    async def capture(self) -> Frame:
        await trio.lowlevel.checkpoint()
        return Frame(16, 16, "rgb24", bytes(16 * 16 * 3))

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_its_failures_are_counted_and_hurt_nobody() -> None:
    """In the monitor's status; sampling goes on, and when the service takes events again they arrive."""
    refuses = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    async with hooks(refuses) as server, open_sandbox() as sandbox:
        monitor = Monitor(
            service=Dataspike(api_key="k", url=sandbox.url),
            sampling=lambda: AdaptiveSampling(10, 10),
            sinks=[WebhookSink(f"http://127.0.0.1:{server.port}/", retry_for=0)],
        )
        with trio.fail_after(30):
            async with monitor:
                await monitor.add_track(TrackInfo("alice", "TR_1"), Grey())
                await until_in_trio(lambda: monitor.status().sinks[0].failed >= 2)
                server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                await until_in_trio(lambda: monitor.status().sinks[0].delivered >= 2)
