"""The scan as one self-contained HTML page: figures, a timeline picture, segments. Pure.

Nothing in it is loaded from elsewhere, and its own policy forbids that; every text is escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from ds_actors._text import counted
from ds_actors.cli._scan.result import StreamScan
from ds_actors.cli._scan.segments import Segment
from ds_actors.detection.events import Level, plain

WIDTH: Final = 960
HEIGHT: Final = 73
_BASE: Final = 72
THUMBNAILS_SHOWN: Final = 200
"""Thumbnails of one video on the page, at most."""

_COLOURS: Final = {
    Level.CLEAR: "#2e7d32",
    Level.SUSPICIOUS: "#f9a825",
    Level.ALERT: "#c62828",
    Level.ERROR: "#6d4c41",
    Level.UNKNOWN: "#757575",
}
_STYLE_LEVELS: Final = "".join(f".{level}::before {{ background: {colour}; }}\n" for level, colour in _COLOURS.items())
# Levels differ in height too, for readers who cannot tell the colours apart.
_TALL: Final = {Level.CLEAR: 20, Level.SUSPICIOUS: 42, Level.ALERT: 64, Level.ERROR: 10, Level.UNKNOWN: 10}

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1, h2 { line-height: 1.2; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: 4.6rem; background: #f4f4f4; }
.axis { display: flex; justify-content: space-between; font-size: .85rem; color: #555; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
td.p { overflow-wrap: anywhere; }
img { width: 100%; max-width: 12rem; }
.level { white-space: nowrap; }
.level::before { content: ""; display: inline-block; width: .7em; height: .7em; margin-right: .4em; }
.problem { border-left: 4px solid #c62828; padding-left: .7rem; }
"""


def clock(seconds: float) -> str:
    """Return a time as h:mm:ss.s."""
    tenths = round(max(0.0, seconds) * 10)
    return f"{tenths // 36_000}:{tenths // 600 % 60:02}:{tenths // 10 % 60:02}.{tenths % 10}"


def page(results: Sequence[StreamScan], *, service: str, made: str) -> str:
    """Return the page.

    Args:
        results: what was scanned, in order: one a video stream.
        service: which service gave the verdicts, in words.
        made: when, in words.
    """
    body = _joined([*([_overview(results)] if len(results) > 1 else []), *(_video(result) for result in results)])
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ds-actors scan</title>
<style>{_STYLE}{_STYLE_LEVELS}</style>
</head>
<body>
<h1>ds-actors scan</h1>
<p>{_text(made)}. Verdicts: {_text(service)}.</p>
{body}
</body>
</html>
"""


def _overview(results: Sequence[StreamScan]) -> str:
    rows = (
        f'<tr><td class="p">{_text(result.name)}</td><td>{_level(result.level) if result.answered else ""}</td>'
        f"<td>{_outcome(result)}</td></tr>"
        for result in results
    )
    return _joined(["<table>", "<tr><th>Video</th><th>Most severe level</th><th>Outcome</th></tr>", *rows, "</table>"])


def _video(result: StreamScan) -> str:
    parts = [f"<h2>{_text(result.name)}</h2>"]
    if result.problem:
        parts.append(f'<p class="problem">{_text(result.problem)}</p>')
    if result.due:
        parts.append(_figures(result))
    elif not result.problem:
        parts.append(f"<p>{_outcome(result).capitalize()}.</p>")
    if result.timeline.segments:
        parts += [timeline(result), _segments(result.timeline.segments)]
    return _joined(["<section>", *parts, "</section>"])


def _joined(parts: Iterable[str]) -> str:
    return "\n".join(parts)


def _figures(result: StreamScan) -> str:
    levels = ", ".join(f"{count} {level}" for level, count in result.timeline.levels.items()) or "none"
    rows = [
        ("Video stream", "" if result.stream is None else _text(str(result.stream))),
        ("Auxiliary, not scanned", _text(", ".join(f"stream {index}" for index in result.auxiliary))),
        ("Outcome", _outcome(result)),
        ("Most severe level", _level(result.level)),
        ("Damage", _text(str(result.damage))),
        ("Answers", _text(levels)),
        ("Samples", f"{result.due} due, {result.sent} sent, {result.answered} answered"),
        ("Samples a second", f"{result.fps:g}"),
        ("Last decoded picture at", "none" if result.last_pts is None else clock(result.last_pts)),
    ]
    return _joined(["<table>", *(f"<tr><th>{a}</th><td>{b}</td></tr>" for a, b in rows if b), "</table>"])


def _outcome(result: StreamScan) -> str:
    return str(result.outcome).replace("_", " ")


def _level(level: Level) -> str:
    return f'<span class="level {level}">{level}</span>'


def timeline(result: StreamScan) -> str:
    """Return the video's timeline as inline SVG; what has no answer stays empty."""
    segments = result.timeline.segments
    end = max(result.last_pts or 0.0, segments[-1].end, 1e-9)
    scale = WIDTH / end
    shapes: list[str] = []
    for part in segments:
        left, tall = part.start * scale, _TALL[part.level]
        # A single sample at the very end has no length, and is still to be seen.
        width = max(2.0, (part.end - part.start) * scale)
        left = min(left, WIDTH - width)
        label = f"{clock(part.start)} to {clock(part.end)}: {part.level}, {counted(part.samples, 'sample')}"
        shapes.append(
            f'<rect x="{left:.2f}" y="{_BASE - tall}" width="{width:.2f}" height="{tall}" '
            f'fill="{_COLOURS[part.level]}"><title>{_text(label)}</title></rect>'
        )
    marks = [f"<span>{clock(place * end)}</span>" for place in (0.0, 0.5, 1.0)]
    title = f"Levels over time, from {clock(0)} to {clock(end)}; the most severe is {result.level}"
    return _joined(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{_text(title)}">',
            *shapes,
            f'<line x1="0" y1="{_BASE}" x2="{WIDTH}" y2="{_BASE}" stroke="#222"/>',
            "</svg>",
            # Not in the picture, which is as wide as the window: they would shrink with it.
            f'<div class="axis" aria-hidden="true">{"".join(marks)}</div>',
        ]
    )


def _segments(segments: Sequence[Segment]) -> str:
    pictures = any(segment.thumbnail for segment in segments)
    head = "<tr><th>From</th><th>To</th><th>Level</th><th>Samples</th>" + ("<th>First</th>" if pictures else "")
    rows: list[str] = []
    for index, segment in enumerate(segments):
        row = (
            f'<tr><td class="n">{clock(segment.start)}</td><td class="n">{clock(segment.end)}</td>'
            f'<td>{_level(segment.level)}</td><td class="n">{segment.samples}</td>'
        )
        if pictures:
            row += f"<td>{_picture(segment) if index < THUMBNAILS_SHOWN else ''}</td>"
        rows.append(f"{row}</tr>")
    return _joined(["<table>", f"{head}</tr>", *rows, "</table>"])


def _picture(segment: Segment) -> str:
    if segment.thumbnail is None:
        return ""
    data = base64.b64encode(segment.thumbnail).decode("ascii")
    return f'<img alt="{_text(f"picture at {clock(segment.start)}")}" src="data:image/jpeg;base64,{data}">'


def _text(text: str) -> str:
    return escape(plain(text), quote=True)
