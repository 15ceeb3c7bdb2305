"""The way to the service, one step after another: DNS, TCP, proxy, TLS."""

from __future__ import annotations

import copy
import ssl
import time
from typing import Any, Final, cast

import trio
from attrs import frozen
from python_socks import ProxyError

from ds_actors.cli._doctor.result import CheckResult, failed, passed, warned
from ds_actors.detection.events import plain
from ds_actors.detection.service import Dataspike
from ds_actors.detection.uplink.connection import open_stream
from ds_actors.detection.uplink.unreached import why_unreached

EXPIRES_SOON: Final = 14.0
"""Days before the end of a certificate from which it is a warning."""
_NETWORK_ERRORS: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, ProxyError, UnicodeError)


@frozen
class Hop:
    """The host that is connected to directly: the service, or the proxy before it."""

    host: str
    port: int
    kind: str


def first_hop(service: Dataspike) -> Hop:
    """Return the host that is connected to directly."""
    if service.proxy is None:
        return Hop(service.host, service.port, "service")
    return Hop(service.proxy.host, service.proxy.port, "proxy")


async def check_dns(service: Dataspike, timeout: float) -> CheckResult:
    """Check that the name of the first hop has an address."""
    hop = first_hop(service)
    fix = f"check the host name of the {hop.kind} and this machine's resolver (in a container: its DNS settings)"
    try:
        with trio.fail_after(timeout):
            found = await trio.socket.getaddrinfo(hop.host, hop.port, type=trio.socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return failed("dns", f"{hop.host} has no address: {_described(error)}", fix)
    except trio.TooSlowError:
        return failed("dns", f"no answer about {hop.host} within {timeout:g} s", fix)
    addresses = sorted({str(address[0]) for *_, address in found})
    return passed("dns", f"{hop.host} has {len(addresses)} address{'es' * (len(addresses) > 1)}", **_list(addresses))


async def check_tcp(service: Dataspike, timeout: float) -> CheckResult:
    """Check that the first hop accepts connections."""
    hop = first_hop(service)
    place = f"{hop.host} port {hop.port}"
    if hop.kind == "proxy":
        fix = "correct DATASPIKE_PROXY, else HTTPS_PROXY (ws: HTTP_PROXY), or list the service's host in NO_PROXY"
    else:
        fix = f"allow outgoing TCP to {place} in the firewall, or set HTTPS_PROXY where a proxy is required"
    began = time.perf_counter()
    try:
        with trio.fail_after(timeout):
            stream = await trio.open_tcp_stream(hop.host, hop.port)
    except OSError as error:
        return failed("tcp", f"the {hop.kind} {place} was not reached: {_described(error)}", fix)
    except trio.TooSlowError:
        return failed("tcp", f"the {hop.kind} {place} did not answer within {timeout:g} s", fix)
    milliseconds = 1_000 * (time.perf_counter() - began)
    await trio.aclose_forcefully(stream)
    return passed("tcp", f"the {hop.kind} {place} answered in {milliseconds:.0f} ms")


async def check_proxy(service: Dataspike, timeout: float) -> CheckResult:
    """Check that the proxy lets connections to the service through; without a proxy there is nothing to check."""
    if service.proxy is None:
        return passed("proxy", "none is configured for this host")
    # A copy that ends before TLS: the tunnel alone.
    tunnelled = copy.copy(service)
    tunnelled.secure = False
    address = f"{service.proxy.scheme}://{service.proxy.host}:{service.proxy.port}"
    fix = "check user name, password and rules of the proxy: it must allow CONNECT to the service's host and port"
    try:
        with trio.fail_after(timeout):
            stream = await open_stream(tunnelled)
    except _NETWORK_ERRORS as error:
        return failed("proxy", f"{address} let nothing through: {_described(error)}", fix)
    except trio.TooSlowError:
        return failed("proxy", f"{address} did not answer within {timeout:g} s", fix)
    await trio.aclose_forcefully(stream)
    return passed("proxy", f"{address} leads to {service.authority}")


async def check_tls(service: Dataspike, timeout: float, wall: float | None = None) -> CheckResult:
    """Check the certificate of the service; `wall` is the time to compare its end with, now by default."""
    if not service.secure:
        return passed("tls", "not used: the URL is ws://")
    fix = "set SSL_CERT_FILE to the certificates to trust (behind an inspecting proxy: its own CA), and check the clock"
    try:
        with trio.fail_after(timeout):
            stream = await open_stream(service)
    except _NETWORK_ERRORS as error:
        return failed("tls", _described(error), fix)
    except trio.TooSlowError:
        return failed("tls", f"no handshake within {timeout:g} s", fix)
    secured = cast("trio.SSLStream[trio.SocketStream]", stream)
    # trio passes these methods on to the standard library's SSLObject, without types.
    certificate = cast("dict[str, Any]", secured.getpeercert() or {})  # pyright: ignore[reportUnknownMemberType]
    until, version = str(certificate.get("notAfter", "")), str(secured.version())
    await trio.aclose_forcefully(secured)
    return judge_certificate(version, until, time.time() if wall is None else wall)


def judge_certificate(version: str, until: str, wall: float) -> CheckResult:
    """Judge a certificate that was accepted.

    Args:
        version: of the TLS protocol.
        until: the end of the certificate's validity, as `getpeercert` writes it.
        wall: now, in seconds since the epoch.
    """
    details = {"certificate valid until": until}
    days = (ssl.cert_time_to_seconds(until) - wall) / 86_400 if until else None
    if days is not None and days < EXPIRES_SOON:
        text = f"{version}; the certificate ends in {days:.0f} days"
        return warned("tls", text, "tell the service's operator, or renew it if it is yours", **details)
    return passed("tls", f"{version}, certificate accepted", **details)


def _list(addresses: list[str]) -> dict[str, str]:
    return {"addresses": ", ".join(addresses)}


def _described(error: BaseException) -> str:
    # trio reports TLS trouble as a broken resource; its cause says more.
    shown = error.__cause__ if isinstance(error, trio.BrokenResourceError) and error.__cause__ else error
    return plain(why_unreached(shown) or str(shown) or type(shown).__name__)[:300]
