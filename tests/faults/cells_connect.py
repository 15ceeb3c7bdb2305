"""Cells of connecting: the network, names, addresses and proxies."""

from __future__ import annotations

import socket

from fault_actions import names, network, network_down, nothing, served_by, together
from fault_cell import Cell, cause
from fault_handlers import (
    SOCKS_HOST_UNREACHABLE,
    SOCKS_WRONG_PASSWORD,
    answers,
    answers_without_end,
    closes,
    hangs,
    http,
    socks_that_refuses,
)

DEADLINE = cause("no accepted upgrade within")
UNREACHED = cause("was not reached")


def _no_such_name(_port: int) -> list[str]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def _proxy(fault: str, does: object, says: str, *, scheme: str = "http", slow: bool = False) -> Cell:
    return Cell("connect", f"{scheme} proxy: {fault}", does, cause(says), proxy=scheme, scheme_host=EXAMPLE, slow=slow)  # type: ignore[arg-type]


EXAMPLE = "ws://service.example"

CONNECT = (
    Cell("connect", "none", nothing()),
    Cell("connect", "refused", network_down(), UNREACHED, toxiproxy=True),
    Cell("connect", "closed at once", served_by(closes), cause("ended during the upgrade")),
    Cell("connect", "reset", network("reset_peer", timeout=0), cause("during the upgrade"), toxiproxy=True),
    Cell("connect", "black hole", network("timeout", timeout=0), DEADLINE, toxiproxy=True),
    Cell(
        "connect", "black hole, the answer only", network("timeout", "downstream", timeout=0), DEADLINE, toxiproxy=True
    ),
    Cell("connect", "latency 200 ms", network("latency", latency=200), upgrade_timeout=10, toxiproxy=True),
    Cell(
        "connect",
        "latency 3 s",
        network("latency", latency=3_000),
        DEADLINE,
        upgrade_timeout=2,
        toxiproxy=True,
        slow=True,
    ),
    Cell("connect", "jitter 300 ms", network("latency", latency=300, jitter=300), upgrade_timeout=10, toxiproxy=True),
    Cell("connect", "64 KB/s", network("bandwidth", rate=64), upgrade_timeout=10, kilobytes=20, toxiproxy=True),
    Cell(
        "connect",
        "8 KB/s",
        network("bandwidth", rate=8),
        upgrade_timeout=10,
        kilobytes=20,
        lasts=15,
        link=8,
        fps=1,
        toxiproxy=True,
        slow=True,
    ),
    Cell(
        "connect",
        "slow close",
        together(served_by(closes), network("slow_close", delay=3_000)),
        DEADLINE,
        toxiproxy=True,
    ),
    Cell("connect", "slicing", network("slicer", average_size=8, delay=100), upgrade_timeout=10, toxiproxy=True),
    Cell(
        "connect", "limit of 100 bytes", network("limit_data", bytes=100), cause("during the upgrade"), toxiproxy=True
    ),
    Cell("connect", "no such name", names(_no_such_name), UNREACHED, scheme_host=EXAMPLE),
    Cell("connect", "DNS does not answer", names(None), DEADLINE, scheme_host=EXAMPLE),
    Cell("connect", "no address", names(lambda _port: []), UNREACHED, scheme_host=EXAMPLE),
    Cell(
        "connect",
        "first address refuses",
        names(lambda _port: ["127.0.0.2", "127.0.0.1"]),
        scheme_host=EXAMPLE,
        upgrade_timeout=10,
    ),
    Cell("connect", "IPv6", nothing(), scheme_host="ws://[::1]", upgrade_timeout=10),
    Cell("connect", "localhost on IPv4 only", nothing(), scheme_host="ws://localhost", upgrade_timeout=10),
    _proxy("407", served_by(answers(http(407))), "407"),
    _proxy("502", served_by(answers(http(502))), "502"),
    _proxy("black hole", served_by(hangs), "no accepted upgrade within"),
    _proxy("garbage", served_by(answers(b"SSH-2.0\r\n\r\n")), "cannot be read"),
    _proxy("closed at once", served_by(closes), "closed the connection"),
    _proxy("endless answer", served_by(answers_without_end(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 999)), "answer"),
    _proxy(
        "wrong password",
        served_by(socks_that_refuses(*SOCKS_WRONG_PASSWORD)),
        "authentication failure",
        scheme="socks5h",
    ),
    _proxy("unreachable", served_by(socks_that_refuses(*SOCKS_HOST_UNREACHABLE)), "nreachable", scheme="socks5h"),
    _proxy("black hole", served_by(hangs), "no accepted upgrade within", scheme="socks5h"),
    _proxy("garbage", served_by(answers(b"SSH-2.0\r\n\r\n")), "not reached", scheme="socks5h"),
    _proxy("closed at once", served_by(closes), "not reached", scheme="socks5h"),
)
