"""Cells of TLS: certificates, versions, and a handshake that does not end."""

from __future__ import annotations

import datetime as dt
import ssl
import warnings

import trustme
from fault_actions import certificate, down_once_asked, network, nothing, served_by, tls, together
from fault_cell import Cell, cause
from fault_handlers import answers, closes, hangs, http
from fault_world import World, server_context

DAY = dt.timedelta(days=1)


def _today() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def _expired(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("localhost", not_before=_today() - 2 * DAY, not_after=_today() - DAY)


def _not_valid_yet(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("localhost", not_before=_today() + DAY, not_after=_today() + 2 * DAY)


def _old_version(world: World) -> ssl.SSLContext:
    context = server_context(world.authority.issue_cert("localhost"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():  # Python says that the version is too old, which is the point
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _asks_for_a_certificate(world: World) -> ssl.SSLContext:
    context = server_context(world.authority.issue_cert("localhost"))
    context.verify_mode = ssl.CERT_REQUIRED
    world.authority.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
    return context


def _without_tls(_world: World) -> None:
    return None


VERIFY = cause("certificate verify failed")
HANDSHAKE = cause("was not reached")

TLS = (
    Cell("TLS", "none", nothing(), tls=True, upgrade_timeout=10),
    Cell("TLS", "expired certificate", certificate(_expired), cause("expired"), tls=True),
    Cell("TLS", "certificate not valid yet", certificate(_not_valid_yet), cause("not yet valid"), tls=True),
    Cell("TLS", "wrong name", certificate(lambda ca: ca.issue_cert("other.example")), cause("mismatch"), tls=True),
    Cell(
        "TLS",
        "unknown authority",
        certificate(lambda ca: ca.issue_cert("localhost"), of=trustme.CA()),
        VERIFY,
        tls=True,
    ),
    Cell("TLS", "version 1.1 only", tls(_old_version), HANDSHAKE, tls=True),
    Cell("TLS", "asks for a certificate", tls(_asks_for_a_certificate), cause("the connection"), tls=True),
    Cell("TLS", "answers in plain HTTP", tls(_without_tls), HANDSHAKE, tls=True),
    Cell(
        "TLS",
        "black hole",
        network("timeout", "downstream", timeout=0),
        cause("no accepted upgrade"),
        tls=True,
        toxiproxy=True,
    ),
    Cell("TLS", "reset", network("reset_peer", timeout=0), HANDSHAKE, tls=True, toxiproxy=True),
    Cell("TLS", "latency 300 ms", network("latency", latency=300), tls=True, toxiproxy=True, upgrade_timeout=10),
    Cell(
        "TLS",
        "jitter 200 ms",
        network("latency", latency=200, jitter=200),
        tls=True,
        toxiproxy=True,
        upgrade_timeout=10,
    ),
    Cell("TLS", "64 KB/s", network("bandwidth", rate=64), tls=True, toxiproxy=True, upgrade_timeout=10),
    Cell("TLS", "8 KB/s", network("bandwidth", rate=8), tls=True, toxiproxy=True, upgrade_timeout=10, lasts=1),
    Cell(
        "TLS",
        "slow close",
        together(tls(_without_tls), served_by(closes), network("slow_close", delay=3_000)),
        cause("no accepted upgrade"),
        tls=True,
        toxiproxy=True,
    ),
    Cell(
        "TLS",
        "down",
        together(tls(_without_tls), down_once_asked()),
        HANDSHAKE,
        tls=True,
        toxiproxy=True,
        upgrade_timeout=5,
    ),
    Cell("TLS", "slicing", network("slicer", average_size=64, delay=100), tls=True, toxiproxy=True, upgrade_timeout=10),
    Cell(
        "TLS", "limit of 500 bytes", network("limit_data", "downstream", bytes=500), HANDSHAKE, tls=True, toxiproxy=True
    ),
    Cell(
        "TLS",
        "401 behind it",
        served_by(answers(http(401))),
        cause("refused the key"),
        tls=True,
        recovers=False,
        upgrade_timeout=5,
    ),
    Cell("TLS", "no upgrade behind it", served_by(hangs), cause("no accepted upgrade"), tls=True),
)
