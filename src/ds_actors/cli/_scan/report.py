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
_TIMES_SAID: Final = 3
"""Segments whose times the headline of a video says."""
THUMBNAILS_SHOWN: Final = 200
"""Thumbnails of one video on the page, at most."""

_COLOURS: Final = {
    Level.CLEAR: "#2e7d32",
    Level.SUSPICIOUS: "#f9a825",
    Level.ALERT: "#c62828",
    Level.ERROR: "#6d4c41",
    Level.UNKNOWN: "#757575",
}
_WORST_FIRST: Final = (Level.ALERT, Level.SUSPICIOUS, Level.CLEAR)
_STYLE_LEVELS: Final = "".join(f".{level}::before {{ background: {colour}; }}\n" for level, colour in _COLOURS.items())
# Levels differ in height too, for readers who cannot tell the colours apart.
_TALL: Final = {Level.CLEAR: 20, Level.SUSPICIOUS: 42, Level.ALERT: 64, Level.ERROR: 10, Level.UNKNOWN: 10}

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #222; --dim: #595959; --paper: #fff; --faint: #f1f1f1; --line: #ddd; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --dim: #a8a8a8; --paper: #161616; --faint: #262626; --line: #3a3a3a; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink);
  background: var(--paper); }
h1, h2 { line-height: 1.2; overflow-wrap: anywhere; margin-bottom: .2rem; }
a { color: inherit; }
svg { display: block; width: 100%; height: 4.6rem; background: var(--faint); }
.axis { display: flex; justify-content: space-between; font-size: .85rem; color: var(--dim); }
.verdict { font-size: 1.25rem; margin: .2rem 0 1rem; }
.about { color: var(--dim); }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: left; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
td.p { overflow-wrap: anywhere; }
tr:target { background: var(--faint); outline: 2px solid currentColor; }
img { display: block; width: 20rem; max-width: 45vw; }
.level { white-space: nowrap; }
.level::before { content: ""; display: inline-block; width: .7em; height: .7em; margin-right: .4em; }
.problem { border-left: 4px solid #c62828; padding-left: .7rem; }
"""


def clock(seconds: float) -> str:
    """Return a time as m:ss.s, or h:mm:ss.s from an hour on."""
    tenths = round(max(0.0, seconds) * 10)
    hours, minutes = divmod(tenths // 600, 60)
    rest = f"{tenths // 10 % 60:02}.{tenths % 10}"
    return f"{hours}:{minutes:02}:{rest}" if hours else f"{minutes}:{rest}"


def page(results: Sequence[StreamScan], *, service: str, made: str) -> str:
    """Return the page.

    Args:
        results: what was scanned, in order: one a video stream.
        service: which service gave the verdicts, in words.
        made: when, in words.
    """
    numbered = list(enumerate(results, 1))
    if len(results) == 1:
        head, sections = _text(results[0].name), [_video(1, results[0], "h1")]
    else:
        head = headline(results)
        sections = [
            f"<h1>{head}</h1>",
            _overview(numbered),
            *(_video(number, result, "h2") for number, result in numbered),
        ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{head} - ds-actors scan</title>
<style>{_STYLE}{_STYLE_LEVELS}</style>
</head>
<body>
{_joined(sections)}
<p class="about">{_text(made)} by ds-actors scan. Verdicts: {_text(service)}.</p>
</body>
</html>
"""


def headline(results: Sequence[StreamScan]) -> str:
    """Return what was found in several videos, as HTML."""
    found = [f"{level} in {count}" for level in _WORST_FIRST if (count := sum(r.level is level for r in results))]
    return _text(f"{counted(len(results), 'video')}: {', '.join(found) or 'nothing was judged'}")


def _overview(numbered: Sequence[tuple[int, StreamScan]]) -> str:
    rows = (
        f'<tr><td class="p"><a href="#video-{number}">{_text(result.name)}</a></td><td>{verdict(result)}</td>'
        f"<td>{_outcome(result)}</td></tr>"
        for number, result in numbered
    )
    return _joined(["<table>", "<tr><th>Video</th><th>Verdict</th><th>Outcome</th></tr>", *rows, "</table>"])


def _video(number: int, result: StreamScan, heading: str) -> str:
    parts = [f"<{heading}>{_text(result.name)}</{heading}>"]
    if result.answered:
        parts.append(f'<p class="verdict">{verdict(result)}</p>')
    if result.problem:
        parts.append(f'<p class="problem">{_text(result.problem)}</p>')
    if result.timeline.segments:
        parts += [timeline(result, number), _segments(result.timeline.segments, number)]
    if result.due:
        parts.append(_figures(result))
    elif not result.problem:
        parts.append(f"<p>{_outcome(result).capitalize()}.</p>")
    return _joined([f'<section id="video-{number}">', *parts, "</section>"])


def verdict(result: StreamScan) -> str:
    """Return the most severe level, when it was found, and in how many samples, as HTML; empty without an answer."""
    if not result.answered:
        return ""
    level = result.level
    if not level.is_verdict:
        return f"No verdict: {_text(counted(result.answered, 'sample'))} could not be judged"
    worst = [part for part in result.timeline.segments if part.level is level]
    samples = f"{sum(part.samples for part in worst)} of {counted(result.answered, 'sample')}"
    times = [f"{clock(part.start)} to {clock(part.end)}" for part in worst[:_TIMES_SAID]]
    more = f" and {counted(len(worst) - _TIMES_SAID, 'more time')}" if len(worst) > _TIMES_SAID else ""
    when = f", {', '.join(times)}{more}" if level.elevated else ""
    return f'<span class="level {level}">{str(level).capitalize()}</span>{_text(when)}: {_text(samples)}'


def _joined(parts: Iterable[str]) -> str:
    return "\n".join(parts)


def _figures(result: StreamScan) -> str:
    levels = ", ".join(f"{count} {level}" for level, count in result.timeline.levels.items()) or "none"
    rows = [
        ("Video stream", "" if result.stream is None else _text(str(result.stream))),
        ("Auxiliary, not scanned", _text(", ".join(f"stream {index}" for index in result.auxiliary))),
        ("Outcome", _outcome(result)),
        ("Damage", _text(str(result.damage))),
        ("Answers", _text(levels)),
        ("Samples", result.samples),
        ("Samples a second", f"{result.fps:g}"),
        ("Last decoded picture at", "none" if result.last_pts is None else clock(result.last_pts)),
    ]
    return _joined(["<table>", *(f"<tr><th>{a}</th><td>{b}</td></tr>" for a, b in rows if b), "</table>"])


def _outcome(result: StreamScan) -> str:
    return str(result.outcome).replace("_", " ")


def _level(level: Level) -> str:
    return f'<span class="level {level}">{level}</span>'


def timeline(result: StreamScan, number: int = 1) -> str:
    """Return the video's timeline as inline SVG, each bar a link to its row; what has no answer stays empty."""
    segments = result.timeline.segments
    end = max(result.last_pts or 0.0, segments[-1].end, 1e-9)
    scale = WIDTH / end
    shapes: list[str] = []
    for index, part in enumerate(segments, 1):
        left, tall = part.start * scale, _TALL[part.level]
        # A single sample at the very end has no length, and is still to be seen.
        width = max(2.0, (part.end - part.start) * scale)
        left = min(left, WIDTH - width)
        label = f"{clock(part.start)} to {clock(part.end)}: {part.level}, {counted(part.samples, 'sample')}"
        shapes.append(
            f'<a href="#video-{number}-{index}">'
            f'<rect x="{left:.2f}" y="{_BASE - tall}" width="{width:.2f}" height="{tall}" '
            f'fill="{_COLOURS[part.level]}"><title>{_text(label)}</title></rect></a>'
        )
    marks = [f"<span>{clock(place * end)}</span>" for place in (0.0, 0.5, 1.0)]
    title = f"Levels over time, from {clock(0)} to {clock(end)}; the most severe is {result.level}"
    return _joined(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{_text(title)}">',
            *shapes,
            f'<line x1="0" y1="{_BASE}" x2="{WIDTH}" y2="{_BASE}" stroke="currentColor"/>',
            "</svg>",
            # Not in the picture, which is as wide as the window: they would shrink with it.
            f'<div class="axis" aria-hidden="true">{"".join(marks)}</div>',
        ]
    )


def _segments(segments: Sequence[Segment], number: int) -> str:
    pictures = any(segment.thumbnail for segment in segments)
    head = "<tr><th>From</th><th>To</th><th>Level</th><th>Samples</th>" + ("<th>First sample</th>" if pictures else "")
    rows: list[str] = []
    for index, segment in enumerate(segments, 1):
        row = (
            f'<tr id="video-{number}-{index}">'
            f'<td class="n">{clock(segment.start)}</td><td class="n">{clock(segment.end)}</td>'
            f'<td>{_level(segment.level)}</td><td class="n">{segment.samples}</td>'
        )
        if pictures:
            row += f"<td>{_picture(segment) if index <= THUMBNAILS_SHOWN else ''}</td>"
        rows.append(f"{row}</tr>")
    return _joined(["<table>", f"{head}</tr>", *rows, "</table>"])


def _picture(segment: Segment) -> str:
    if segment.thumbnail is None:
        return ""
    data = base64.b64encode(segment.thumbnail).decode("ascii")
    return f'<img alt="{_text(f"picture at {clock(segment.start)}")}" src="data:image/jpeg;base64,{data}">'


def _text(text: str) -> str:
    return escape(plain(text), quote=True)
