"""Small HEIC and AVIF files, box by box: tile grids, thumbnails, auxiliary pictures."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from attrs import field, frozen
from priorities import usual_priority
from scan_clips import Picture

CODECS = {"heic": ("libx265", b"hvc1", b"hvcC"), "avif": ("libsvtav1", b"av01", b"av1C")}


@frozen
class Item:
    """One item of the file: a coded picture, or one that is made of others."""

    number: int
    kind: bytes
    data: bytes = field(repr=False)
    properties: tuple[bytes, ...] = field(default=(), repr=False)
    inside_meta: bool = False
    """Whether its data lies in the meta box, as a grid's small description may."""


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box."""
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    """Return a box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def coded(number: int, picture: Picture, suffix: str, *properties: bytes, scratch: Path) -> Item:
    """Return a picture as one coded item."""
    codec, kind, config = CODECS[suffix]
    path = scratch / f"item-{number}.mp4"
    height, width = picture.shape[:2]
    with usual_priority(), av.open(str(path), "w") as container:
        options = {"x265-params": "log-level=none:keyint=1:crf=12"} if codec == "libx265" else {"crf": "20"}
        stream: Any = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if codec == "libx265":
            stream.codec_context.codec_tag = "hvc1"
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path)) as written:
        data = next(bytes(packet) for packet in written.demux() if packet.size)
    raw = path.read_bytes()
    at = raw.index(config) - 4
    configuration = raw[at : at + int.from_bytes(raw[at : at + 4], "big")]
    return Item(number, kind, data, (configuration, *description(width, height), *properties))


def description(width: int, height: int) -> tuple[bytes, bytes]:
    """Return the properties that state a picture's size and its bits a pixel."""
    return full(b"ispe", struct.pack(">II", width, height)), full(b"pixi", b"\x03\x08\x08\x08")


def auxiliary_property(kind: str) -> bytes:
    """Return the property that says what an auxiliary picture is."""
    return full(b"auxC", kind.encode() + b"\0")


def grid(number: int, rows: int, columns: int, size: tuple[int, int], *properties: bytes, inside: bool = True) -> Item:
    """Return the item that puts tiles together to a picture of that width and height."""
    data = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)
    return Item(number, b"grid", data, (*description(*size), *properties), inside_meta=inside)


def write_heif(
    path: Path, items: Sequence[Item], *, primary: int, references: Sequence[tuple[bytes, int, Sequence[int]]] = ()
) -> Path:
    """Write the file; a reference is its kind, the item that it comes from, and the items that it leads to."""
    brand = b"avif" if path.suffix == ".avif" else b"heic"
    head = box(b"ftyp", brand, struct.pack(">I", 0), b"mif1", brand)
    # The offsets of the data are known once the meta box is as long as it will be.
    meta = _meta(items, primary, references, 0)
    meta = _meta(items, primary, references, len(head) + len(meta) + 8)
    data = b"".join(item.data for item in items if not item.inside_meta)
    path.write_bytes(head + meta + box(b"mdat", data))
    return path


def _meta(
    items: Sequence[Item], primary: int, references: Sequence[tuple[bytes, int, Sequence[int]]], start: int
) -> bytes:
    inside = b"".join(item.data for item in items if item.inside_meta)
    entries = [full(b"infe", struct.pack(">HH", item.number, 0), item.kind, b"\0", version=2) for item in items]
    return full(
        b"meta",
        full(b"hdlr", struct.pack(">I4s12x", 0, b"pict"), b"\0"),
        full(b"pitm", struct.pack(">H", primary)),
        _locations(items, start),
        full(b"iinf", struct.pack(">H", len(entries)), *entries),
        full(b"iref", *(_reference(*reference) for reference in references)) if references else b"",
        _properties(items),
        box(b"idat", inside) if inside else b"",
    )


def _reference(kind: bytes, source: int, targets: Sequence[int]) -> bytes:
    return box(kind, struct.pack(f">HH{len(targets)}H", source, len(targets), *targets))


def _locations(items: Sequence[Item], start: int) -> bytes:
    entries = b""
    inside = 0
    for item in items:
        place = inside if item.inside_meta else start
        entries += struct.pack(">HHHHII", item.number, int(item.inside_meta), 0, 1, place, len(item.data))
        if item.inside_meta:
            inside += len(item.data)
        else:
            start += len(item.data)
    return full(b"iloc", struct.pack(">BBH", 0x44, 0, len(items)), entries, version=1)


def _properties(items: Sequence[Item]) -> bytes:
    container: list[bytes] = []
    associations = b""
    for item in sorted(items, key=lambda item: item.number):
        associations += struct.pack(">HB", item.number, len(item.properties))
        for entry in item.properties:
            container.append(entry)
            essential = entry[4:8] in (b"hvcC", b"av1C", b"irot", b"imir")
            associations += bytes([0x80 * essential | len(container)])
    return box(b"iprp", box(b"ipco", *container), full(b"ipma", struct.pack(">I", len(items)), associations))
