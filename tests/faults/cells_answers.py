"""Cells of the service's answers: close codes, garbage, floods, bombs and fragments."""

from __future__ import annotations

from cells_open import is_down
from fault_actions import a_message_without_end, answered_with, cut, network, network_down, said, service, together
from fault_cell import Cell, Fault, Noticed, cause
from fault_handlers import frame

from ds_actors.detection import Coverage, Status
from ds_actors.detection.events import ResultType, WireResult
from ds_actors.detection.uplink.close_reasons import REFUSED_CODES
from ds_actors.detection.uplink.wire import encode_result
from ds_actors.sandbox import Faults
from ds_actors.sandbox.faults import Garbage, Oversized

CODES = (1000, 1001, 1002, 1003, 1007, 1009, 1010, 1011, 1012, 1013, 3001, 4000, 4429, 4999)
QUICK = (1000, 1011, 1008, 4401)
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

KNOWN = encode_result(WireResult(int(ResultType.CLEAR), "alice", "A"))
UNKNOWN = encode_result(WireResult(int(ResultType.ALERT), "mallory", "B"))


def _malformed(status: Status) -> bool:
    return status.uplink.malformed > 0


def _unknown_track(status: Status) -> bool:
    return status.results.get("unknown_track", 0) > 0


def _closes(code: int) -> Cell:
    refuses = code in REFUSED_CODES
    noticed: Noticed = (lambda status: status.state == "refused") if refuses else cause(f"({code}")
    fault = service(lambda faults: faults.close_on_accept(code), anew=True)
    text = f"close code {code}{', the key' if refuses else ''}"
    return Cell("answers", text, fault, noticed, recovers=not refuses, lasts=0.4, slow=code not in QUICK)


def _says(text: str, *pieces: bytes, noticed: Noticed | None = None, every: float | None = None, **more: float) -> Cell:
    return Cell("answers", text, said(*pieces, every=every), noticed, **more)  # type: ignore[arg-type]


HALF = said(frame(BINARY, KNOWN)[:-3])
"""An answer without its end."""
LONG = frame(BINARY, encode_result(WireResult(int(ResultType.CLEAR), "alice", "A", "x" * 30_000)))


def _blind(text: str, does: Fault, becomes: Coverage) -> Cell:
    """Return the cell of a service that leaves the track without a verdict for longer than it may be `checked`."""
    return Cell("answers", text, does, becomes=becomes, lasts=17, slow=True)


def _link(text: str, kind: str, **attributes: int) -> Cell:
    """Return the cell of a network that disturbs the answers only, and does not end them."""
    return Cell("answers", text, network(kind, "downstream", **attributes), toxiproxy=True, lasts=1.0)


CONTROLS = cause("control frames within")
FRAMES = cause("more than 64 frames")

ANSWERS = (
    *map(_closes, CODES),
    *map(_closes, sorted(REFUSED_CODES)),
    _says(
        "close code 1014, unknown to wsproto", frame(CLOSE, (1014).to_bytes(2, "big")), noticed=cause("reserved code")
    ),
    _says("close without a code", frame(CLOSE), noticed=cause("closed")),
    _says("close, its reason no UTF-8", frame(CLOSE, b"\x03\xe8\xff\xff"), noticed=cause("the ")),
    _says("close code that may not be sent", frame(CLOSE, b"\x03\xed"), noticed=cause("the ")),
    Cell("answers", "garbage", service(lambda faults: faults.begin(Garbage())), _malformed, stays=True),
    Cell("answers", "over 64 KiB", service(lambda faults: faults.begin(Oversized())), cause("1009")),
    Cell("answers", "5 s late", service(lambda faults: faults.slow(5)), lasts=1.0, slow=True),
    Cell("answers", "none", service(Faults.silence), lasts=1.0),
    _says("text", frame(TEXT, b"hello"), noticed=_malformed, stays=True),
    _says("a hundred malformed", frame(BINARY, b"\xff\xff") * 100, noticed=cause("100 malformed messages")),
    _says("about strangers", frame(BINARY, UNKNOWN), noticed=_unknown_track, stays=True),
    _says("unasked", frame(BINARY, KNOWN) * 3, unasked=True),
    _says("flood of results", frame(BINARY, KNOWN) * 500, unasked=True, every=0.0, lasts=0.6),
    _says("flood about strangers", frame(BINARY, UNKNOWN) * 500, noticed=_unknown_track, every=0.0),
    _says("flood of pings", frame(PING, b"x" * 100) * 300, noticed=CONTROLS, every=0.0),
    _says("flood of pongs", frame(PONG, b"x" * 100) * 500, noticed=CONTROLS, every=0.0),
    _says("200 pings", frame(PING) * 200),
    _says("empty fragments without end", frame(BINARY, first=0) + frame(0, first=0) * 999, noticed=FRAMES),
    _says("fragments without end", frame(BINARY, b"x", first=0) + frame(0, b"x" * 100, first=0) * 99, noticed=FRAMES),
    _says(
        "a message in fragments", frame(BINARY, KNOWN[:1], first=0) + frame(PING) + frame(0, KNOWN[1:]), unasked=True
    ),
    _says("continuation of nothing", frame(0, b"x"), noticed=cause("CONTINUATION")),
    _says("fragmented ping", frame(PING, first=0), noticed=cause("fragment")),
    _says("ping over 125 bytes", frame(PING, bytes(126)), noticed=cause("ontrol")),
    _says("compressed bomb", frame(BINARY, bytes(100), first=0xC0), noticed=cause("Reserved bit")),
    _says("unknown opcode", frame(3), noticed=cause("opcode")),
    _says("text that is no UTF-8", frame(TEXT, b"\xff"), noticed=cause("utf-8")),
    _says("length of 2^62 bytes", b"\x82\x7f" + (2**62).to_bytes(8, "big") + bytes(99_999), noticed=cause("1009")),
    _says("negative length", b"\x82\x7f" + b"\xff" * 8, noticed=cause("the ")),
    _says("masked", b"\x82\x80\x00\x00\x00\x00", noticed=cause("the ")),
    _says("noise", bytes(range(256)) * 9, noticed=cause("the ")),
    _blind("errors only", answered_with(ResultType.ERROR), Coverage.UNJUDGED),
    _blind("unknown types only", answered_with(99), Coverage.UNJUDGED),
    _blind("only about strangers", answered_with(ResultType.CLEAR, track="B"), Coverage.STALE),
    _blind("25 s late", service(lambda faults: faults.slow(25)), Coverage.STALE),
    _link("latency 500 ms", "latency", latency=500),
    _link("jitter 300 ms", "latency", latency=300, jitter=300),
    _link("slicing", "slicer", average_size=2, delay=100),
    Cell(
        "answers",
        "limit of 300 bytes",
        network("limit_data", "downstream", bytes=300),
        is_down,
        toxiproxy=True,
        slow=True,
    ),
    Cell(
        "answers",
        "64 KB/s, 30 KB each",
        together(network("bandwidth", "downstream", rate=64), said(LONG, every=0.2)),
        unasked=True,
        toxiproxy=True,
        lasts=1.5,
    ),
    Cell(
        "answers",
        "8 KB/s, one of 30 KB",
        together(network("bandwidth", "downstream", rate=8), said(LONG)),
        unasked=True,
        toxiproxy=True,
        lasts=5,
        slow=True,
    ),
    Cell(
        "answers",
        "reset in one",
        together(HALF, network("reset_peer", "downstream", timeout=0)),
        is_down,
        toxiproxy=True,
    ),
    Cell(
        "answers",
        "slow close in one",
        together(network("slow_close", delay=1_000), HALF, cut()),
        is_down,
        toxiproxy=True,
    ),
    Cell("answers", "down in one", together(HALF, network_down()), is_down, toxiproxy=True),
    Cell("answers", "a message that does not end", a_message_without_end(), cause("did not end"), 25, slow=True),
)
