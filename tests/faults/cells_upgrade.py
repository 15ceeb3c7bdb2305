"""Cells of the upgrade: every HTTP status that means something, and answers that are none."""

from __future__ import annotations

from fault_actions import down_once_asked, network, served_by, service, together
from fault_cell import Cell, cause
from fault_handlers import answers, answers_without_end, closes, hangs, http, resets

from ds_actors.detection import Status

STATUSES = (200, 204, 301, 302, 307, 308, 400, 404, 405, 407, 408, 410, 426, 429, 500, 502, 503, 504)
"""Those that are no refusal of the key: tried again with backoff."""
QUICK = (200, 302, 404, 500)


def _refused(status: Status) -> bool:
    return status.state == "refused" and "DATASPIKE_API_KEY" in status.reason


def _status(status: int) -> Cell:
    does = served_by(answers(http(status)))
    return Cell("upgrade", f"HTTP {status}", does, cause(f"HTTP {status}"), lasts=0.1, slow=status not in QUICK)


def _throttled(status: int) -> Cell:
    fault = service(lambda faults: faults.refuse_upgrades(status, 1))
    return Cell(
        "upgrade",
        f"HTTP {status}, Retry-After: 1",
        fault,
        cause(f"HTTP {status}"),
        asked=1.0,
        lasts=0.1,
        upgrade_timeout=5,
    )


BAD_ACCEPT = http(101, "Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: x")
HALF = served_by(answers(b"HTTP/1.1 101 Swi"))
LONG = served_by(answers(http(503, body=b"<p>No." * 9_999)))

UPGRADE = (
    *map(_status, STATUSES),
    *(
        Cell(
            "upgrade", f"HTTP {status}, the key", served_by(answers(http(status))), _refused, recovers=False, lasts=0.8
        )
        for status in (401, 403)
    ),
    *map(_throttled, (429, 503)),
    Cell(
        "upgrade",
        "401, its body never ends",
        served_by(answers(http(401, body=b"")[:-2] + b"\r\nno", then=hangs)),
        _refused,
        recovers=False,
    ),
    Cell(
        "upgrade",
        "HTTP 401 with a long page",
        served_by(answers(http(401, body=b"<p>No." * 9_999))),
        _refused,
        recovers=False,
    ),
    Cell("upgrade", "wrong Sec-WebSocket-Accept", served_by(answers(BAD_ACCEPT)), cause("ccept")),
    Cell("upgrade", "not HTTP", served_by(answers(b"SSH-2.0-OpenSSH\r\n")), cause("during the upgrade")),
    Cell("upgrade", "no answer", served_by(hangs), cause("no accepted upgrade")),
    Cell(
        "upgrade", "half an answer, then the end", served_by(answers(b"HTTP/1.1 101 Swi")), cause("during the upgrade")
    ),
    Cell(
        "upgrade",
        "half an answer, then silence",
        served_by(answers(b"HTTP/1.1 101 Swi", then=hangs)),
        cause("no accepted"),
    ),
    Cell(
        "upgrade",
        "headers without end",
        served_by(answers_without_end(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 999)),
        cause("the "),
    ),
    Cell(
        "upgrade",
        "body without end",
        served_by(answers_without_end(b"HTTP/1.1 500 No\r\n\r\n", bytes(60_000))),
        cause("HTTP 500"),
    ),
    Cell(
        "upgrade",
        "100 Continue without end",
        served_by(answers_without_end(b"", b"HTTP/1.1 100 Go\r\n\r\n" * 99)),
        cause("the "),
    ),
    Cell("upgrade", "closed", served_by(closes), cause("during the upgrade")),
    Cell(
        "upgrade",
        "slow close of half an answer",
        together(HALF, network("slow_close", delay=3_000)),
        cause("no accepted"),
        toxiproxy=True,
    ),
    Cell(
        "upgrade",
        "latency 300 ms of the answer",
        network("latency", "downstream", latency=300),
        toxiproxy=True,
        upgrade_timeout=10,
    ),
    Cell(
        "upgrade",
        "latency 5 s of the answer",
        network("latency", "downstream", latency=5_000),
        cause("no accepted"),
        toxiproxy=True,
    ),
    Cell(
        "upgrade",
        "jitter 300 ms of the answer",
        network("latency", "downstream", latency=300, jitter=300),
        toxiproxy=True,
        upgrade_timeout=10,
    ),
    Cell(
        "upgrade",
        "64 KB/s, HTTP 503 with 60 KB",
        together(LONG, network("bandwidth", "downstream", rate=64)),
        cause("HTTP 503"),
        toxiproxy=True,
        upgrade_timeout=2,
        slow=True,
    ),
    Cell(
        "upgrade",
        "8 KB/s, HTTP 503 with 60 KB",
        together(LONG, network("bandwidth", "downstream", rate=8)),
        cause("HTTP 503"),
        toxiproxy=True,
        upgrade_timeout=2,
        slow=True,
    ),
    Cell("upgrade", "reset before the answer", served_by(resets), cause("during the upgrade"), upgrade_timeout=5),
    Cell(
        "upgrade",
        "slicing of the answer",
        network("slicer", "downstream", average_size=2, delay=100),
        toxiproxy=True,
        upgrade_timeout=10,
    ),
    Cell(
        "upgrade",
        "limit of 20 bytes",
        network("limit_data", "downstream", bytes=20),
        cause("during the upgrade"),
        toxiproxy=True,
        upgrade_timeout=5,
    ),
    Cell(
        "upgrade",
        "down before the answer",
        down_once_asked(),
        cause("during the upgrade"),
        toxiproxy=True,
        upgrade_timeout=5,
    ),
)
