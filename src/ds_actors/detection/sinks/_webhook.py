"""A sink that posts each event to an HTTP service. It needs httpx, which the extra `webhook` brings."""

from __future__ import annotations

import hashlib
import math
import random
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import trio
from attrs import field, frozen

from ds_actors._extras import install_command
from ds_actors.detection.events import ResultEvent
from ds_actors.detection.proxies import ProxyAddress, find_proxy
from ds_actors.detection.service import ApiKey, is_loopback, verifies
from ds_actors.detection.sinks._receiver import sign_webhook
from ds_actors.detection.sinks._retries import PostFailure, failure_of, retry_delay
from ds_actors.detection.sinks._signatures import PREFIX, Secrets, WebhookSecret, hidden
from ds_actors.detection.tls import default_tls

if TYPE_CHECKING:
    import httpx


class WebhookError(Exception):
    """An event was not taken; the message says why, and holds neither the secret nor more of the URL than its host."""


@frozen
class _Given:
    """What must not be seen in a traceback's locals."""

    secret: str | ApiKey | None = field(repr=False)
    signing_secret: Secrets | None = field(repr=False)


class WebhookSink:
    """Posts each event as JSON, on a connection of its own.

    Any answer but 2xx is a failure; no redirect is followed. After a connection that failed, a post that took too long,
    and the statuses 408, 425, 429 and 5xx, it posts the event again, with backoff and not before Retry-After. Every
    post of one event has the same headers `Idempotency-Key` and `webhook-id`, so that the receiver can drop what it
    already has. When `retry_for` is over, the failure is counted and logged. The proxy is the one that HTTPS_PROXY and
    NO_PROXY name, and none to this machine.

    Args:
        url: where to; https, or http to this machine. Path and query may be secrets: they are shown nowhere.
        secret: sent as `Authorization: Bearer ...`.
        signing_secret: signs each post as the Standard Webhooks specification says, and is never sent: `whsec_` and the
            base64 of 24 to 64 random bytes; several while one replaces another. `verify_webhook` is the other end.
        timeout: seconds for one post, from connecting to the answer's status.
        retry_for: seconds from the first post of an event in which another may begin; 0 posts once. The monitor cancels
            a delivery after 30 s in all.
        ssl_context: for https; the default trusts what the system and SSL_CERT_FILE trust.
        name: names the sink's actor and its counters.

    Raises:
        ModuleNotFoundError: when httpx is not installed.
        ValueError: when a value cannot be used; names the parameter.
    """

    __slots__ = (
        "_proxy",
        "_random",
        "_secret",
        "_secure",
        "_signing_secrets",
        "_ssl_context",
        "_url",
        "host",
        "name",
        "retry_for",
        "timeout",
    )

    def __init__(
        self,
        url: str,
        *,
        secret: str | ApiKey | None = None,
        signing_secret: Secrets | None = None,
        timeout: float = 10.0,
        retry_for: float = 20.0,
        ssl_context: ssl.SSLContext | None = None,
        name: str = "webhook",
    ) -> None:
        # First of all, so that no frame holds a secret when something raises: tracebacks may show locals.
        self._url: str = url
        given = _Given(secret, signing_secret)
        del url, secret, signing_secret
        self._secret: ApiKey | None = _hidden([given.secret])
        if self._secret is not None and self._secret.reveal().startswith(PREFIX):
            raise ValueError(f"secret is sent with each post: pass a {PREFIX} secret as signing_secret")
        self._signing_secrets: tuple[WebhookSecret, ...] = ()
        if given.signing_secret is not None:
            self._signing_secrets = hidden([given.signing_secret], "signing_secret")
        del given
        _require_httpx()
        host, port, secure = _target(self._url)
        self.host: str = host
        if not host:
            raise ValueError(
                "url must begin with https:// and a host, in printable ASCII without spaces, user name, zone id or "
                "fragment; http:// is for this machine alone"
            )
        if not (math.isfinite(timeout) and timeout > 0):
            raise ValueError(f"timeout must be a finite number of seconds above 0, not {timeout!r}")
        self.timeout: float = float(timeout)
        if not (math.isfinite(retry_for) and retry_for >= 0):
            raise ValueError(f"retry_for must be a finite number of seconds, 0 or more, not {retry_for!r}")
        self.retry_for: float = float(retry_for)
        self._random: Callable[[], float] = random.random
        self.name: str = name
        if ssl_context is not None and not verifies(ssl_context):
            raise ValueError("ssl_context must verify certificates and host names")
        self._ssl_context: ssl.SSLContext | None = ssl_context
        self._secure: bool = secure
        self._proxy: ProxyAddress | None = None if is_loopback(host) else find_proxy(host, port, secure=secure)
        if self._proxy is not None and self._proxy.scheme not in {"http", "https"}:
            raise ValueError("HTTPS_PROXY must be an http or https proxy for a webhook, or NO_PROXY name its host")

    async def deliver(self, event: ResultEvent, /) -> None:
        """Post the event, several times where that may help.

        Raises:
            WebhookError: when it was not taken, or not in time.
        """
        began, posts = trio.current_time(), 0
        try:
            tls = await self._tls()
        except OSError as error:
            raise WebhookError(f"{self.host}: {error}") from None
        while True:
            failure: PostFailure | None = PostFailure(f"took longer than {self.timeout:g} s")
            with trio.move_on_after(self.timeout):
                failure = await self._post(event, tls)
            if failure is None:
                return
            posts += 1
            delay = retry_delay(failure, posts, trio.current_time() - began, self.retry_for, self._random())
            if delay is None:
                break
            await trio.sleep(delay)
        # Raised here and without a context: the frames below hold the Authorization header.
        raise WebhookError(f"{self.host}: {failure.why}")

    def content(self, event: ResultEvent) -> bytes:
        """Return the body of the post."""
        return event.json().encode("ascii")

    async def _tls(self) -> ssl.SSLContext:
        if not self._secure:
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # httpx would make one that reads all certificates
        # One of its own, because httpcore changes it.
        return self._ssl_context or await default_tls("webhook")

    async def _post(self, event: ResultEvent, tls: ssl.SSLContext) -> PostFailure | None:
        """Return why the event was not taken; None when it was."""
        import httpx  # noqa: PLC0415 - what it needs may not be installed, and it takes long to import

        key, body = idempotency_key(event), self.content(event)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        if self._signing_secrets:
            headers |= sign_webhook(body, self._signing_secrets, webhook_id=key)
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {self._secret.reveal()}"
        request = httpx.Request("POST", self._url, headers=headers, content=body)
        # A transport, because a client would log the URL with its path and query.
        try:
            async with self._transport(tls) as transport:
                response = await transport.handle_async_request(request)
                await response.aclose()  # its body may be endless, and says nothing that is asked for
        except (httpx.HTTPError, OSError) as error:
            return PostFailure(type(error).__name__)
        if response.is_success:
            return None
        return failure_of(response.status_code, response.headers.get("Retry-After"), time.time())

    def _transport(self, tls: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
        import httpx  # noqa: PLC0415

        proxy = None
        if self._proxy is not None:
            host = f"[{self._proxy.host}]" if ":" in self._proxy.host else self._proxy.host
            auth = None if self._proxy.username is None else (self._proxy.username, self._proxy.password or "")
            proxy = httpx.Proxy(f"{self._proxy.scheme}://{host}:{self._proxy.port}", auth=auth)
        return httpx.AsyncHTTPTransport(verify=tls, trust_env=False, proxy=proxy)

    def __repr__(self) -> str:
        # A traceback may show an object whose constructor raised.
        return f"WebhookSink(host={getattr(self, 'host', None)!r})"


def idempotency_key(event: ResultEvent) -> str:
    """Return the value of `Idempotency-Key` and `webhook-id`: the same for all posts of an event, and for no other."""
    return hashlib.sha256(f"{event.sequence}\n{event.json()}".encode()).hexdigest()[:32]


def _hidden(given: list[str | ApiKey | None]) -> ApiKey | None:
    if given[0] is None or isinstance(given[0], ApiKey):
        return given[0]
    return ApiKey(cast("str", given.pop()), "secret")


def _target(url: str) -> tuple[str, int, bool]:
    """Return the URL's host, its port and whether it is https; no host where it cannot be used."""
    try:
        parts = urlsplit(url)
        usable = parts.port != 0 and parts.username is None and not parts.fragment
    except ValueError:
        return "", 0, False
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    usable = usable and "%" not in host and url.isascii() and url.isprintable() and " " not in url
    usable = usable and (secure or (parts.scheme == "http" and is_loopback(host)))
    return (host if usable else "", parts.port or (443 if secure else 80), secure)


def _require_httpx() -> None:
    try:
        import httpx  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport]
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"WebhookSink needs httpx: {install_command('webhook')}") from error
