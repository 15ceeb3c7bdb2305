"""The reliability curve as a picture: do scores of 0.7 belong to manipulated samples in 70 of 100 cases? Pure."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from ds_actors._text import counted
from ds_actors.detection.events import plain
from ds_actors.detection.levels.calibration import people_text
from ds_actors.detectors.calibration import DetectorCalibration, ReliabilityPoint

SIDE: Final = 400
LEFT, TOP, RIGHT, BOTTOM = 70, 50, 30, 94
_COLOUR: Final = "#0b6e99"
_LOOK: Final = 'font-family="sans-serif" font-size="13" role="img" aria-label="Reliability curve"'
_WITNESSES: Final = "intervals of 95 %, for which each person is one witness"
_LEVELS: Final = {"suspicious": "#e67700", "alert": "#c92a2a"}


def draw_reliability(found: DetectorCalibration, detector: str) -> str:
    """Return the curve as self-contained SVG, with an interval and a number of samples at each point."""
    width, height = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM
    path = " ".join(f"{_x(point.score):.1f},{_y(point.share):.1f}" for point in found.curve)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" {_LOOK}>',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            f'<text x="{LEFT}" y="24" font-size="15">Reliability of {escape(plain(detector, 45))}</text>',
            *_axes(),
            f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="#868e96" stroke-dasharray="5 4"/>',
            *_threshold("suspicious", found.suspicious.threshold),
            *_threshold("alert", found.alert.threshold),
            f'<polyline points="{path}" fill="none" stroke="{_COLOUR}" stroke-width="2"/>',
            *(line for point in found.curve for line in _point(point)),
            "</svg>",
            "",
        ]
    )


def _x(score: float) -> float:
    return LEFT + SIDE * score


def _y(share: float) -> float:
    return TOP + SIDE * (1 - share)


def _axes() -> list[str]:
    parts: list[str] = []
    for fifth in range(6):
        value = fifth / 5
        parts.append(f'<line x1="{_x(0)}" x2="{_x(1)}" y1="{_y(value)}" y2="{_y(value)}" stroke="#dee2e6"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{_y(value) + 4}" text-anchor="end">{fifth * 20} %</text>')
        parts.append(f'<text x="{_x(value)}" y="{_y(0) + 20}" text-anchor="middle">{value:g}</text>')
    middle, up = LEFT + SIDE / 2, TOP + SIDE / 2
    parts.append(f'<text x="{middle}" y="{_y(0) + 42}" text-anchor="middle">score</text>')
    for y, note in ((64, "as if half of all samples were manipulated"), (80, _WITNESSES)):
        style = 'text-anchor="middle" font-size="11" fill="#495057"'
        parts.append(f'<text x="{middle}" y="{_y(0) + y}" {style}>{note}</text>')
    parts.append(f'<text transform="translate(16 {up}) rotate(-90)" text-anchor="middle">manipulated</text>')
    return parts


def _threshold(name: str, value: float) -> list[str]:
    colour = _LEVELS[name]
    x, y = f"{_x(value):.1f}", _y(1) - (4 if name == "alert" else 16)  # both words are to be read where they meet
    return [
        f'<line x1="{x}" x2="{x}" y1="{_y(0)}" y2="{_y(1)}" stroke="{colour}" stroke-dasharray="2 3"/>',
        f'<text x="{x}" y="{y}" text-anchor="middle" font-size="11" fill="{colour}">{name} {value:.3g}</text>',
    ]


def _point(point: ReliabilityPoint) -> list[str]:
    x = f"{_x(point.score):.1f}"
    witnesses = f"{counted(point.samples, 'sample')}, {people_text(point.people)}"
    label = f"score {point.score:.2f}: {point.share:.0%} manipulated, {witnesses}"
    return [
        f'<line x1="{x}" x2="{x}" y1="{_y(point.low):.1f}" y2="{_y(point.high):.1f}" stroke="{_COLOUR}"/>',
        f'<circle cx="{x}" cy="{_y(point.share):.1f}" r="4" fill="{_COLOUR}"><title>{label}</title></circle>',
    ]
