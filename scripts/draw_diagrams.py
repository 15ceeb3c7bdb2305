"""Draw the guide's diagrams from the rules themselves: the tables in `_rules` and the decisions of `_supervision`.

So a picture always matches the code; `tests/test_diagrams.py` compares the files with this script.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from html import escape
from pathlib import Path

from ds_actors._backoff import ExponentialBackoff
from ds_actors._events import Boot, Due, Ended, Event, Ready, Shutdown, Start, StartAgain, Stop, Terminate
from ds_actors._rules import RESTARTS, STRATEGIES, ChildRules, ChildStatus, Strategy
from ds_actors._supervision import Supervision
from ds_actors.cli._simulate.axes import THEME

TARGET = Path(__file__).parents[1] / "docs" / "guide"
INK, DIM, GOOD, BAD, BACK = "#24292f", "#8c959f", "#1a7f37", "#cf222e", "#ffffff"
FONT = 'font-family="ui-sans-serif, system-ui, sans-serif" font-size="14"'


def text(x: float, y: float, words: str, *, fill: str = INK, anchor: str = "middle", weight: str = "normal") -> str:
    """Return a text at a position; y is its baseline."""
    return f'<text x="{x}" y="{y}" fill="{fill}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'


def box(x: float, y: float, width: float, words: str, *, stroke: str = INK) -> str:
    """Return a rounded box with words in it, 30 high."""
    rect = f'<rect x="{x}" y="{y}" width="{width}" height="30" rx="6" fill="{BACK}" stroke="{stroke}"/>'
    return rect + text(x + width / 2, y + 20, words, fill=stroke)


def picture(width: int, height: int, title: str, parts: list[str]) -> str:
    """Return a whole SVG."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" {FONT} role="img">'
    back = f'<rect width="{width}" height="{height}" fill="{BACK}"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", THEME, back, *parts, "</svg>", ""])


# ---- which ends start a child again: RESTARTS


def restarts() -> str:
    """Draw RESTARTS: one row per kind, one column per ending."""
    columns = ((220, "it finishes"), (380, "it crashes"), (540, "terminate()"))
    parts = [text(x, 24, title, fill=DIM) for x, title in columns]
    for row, (kind, rule) in enumerate(RESTARTS.items()):
        y = 40 + 44 * row
        parts.append(text(20, y + 20, kind, anchor="start", weight="bold"))
        for (x, _), again in zip(columns, (rule.after_finish, rule.after_crash, False), strict=True):
            words = "started again" if again else "rests" if rule.kept else "is forgotten"
            parts.append(box(x - 65, y, 130, words, stroke=GOOD if again else DIM))
    return picture(630, 180, "Which ends start a child again", parts)


# ---- which siblings restart: the decisions of Supervision


def decisions(strategy: Strategy, crashing: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the steps when one child of a running supervisor crashes, in order: ("stop" or "start", name)."""
    supervision = Supervision(strategy)
    for name in names:
        supervision.adopt(ChildRules(name))
    for event in (Boot(), *(Ready(name, 1) for name in names)):
        supervision.handle(event, 0.0)
    queue: list[Event] = [Ended(crashing, 1, ValueError())]
    while queue:
        for effect in supervision.handle(queue.pop(0), 0.0):
            if isinstance(effect, Stop):
                yield "stop", effect.name
                queue.append(Ended(effect.name, effect.incarnation))
            elif isinstance(effect, Start):
                yield "start", effect.name
                queue.append(Ready(effect.name, effect.incarnation))


def strategies() -> str:
    """Draw what each strategy does when the second of four children crashes."""
    names = ("a", "b", "c", "d")
    parts = [text(20, 24, "of a, b, c and d, b crashes; then, in this order:", anchor="start", fill=DIM)]
    for row, strategy in enumerate(STRATEGIES):
        y = 40 + 44 * row
        parts.append(text(20, y + 20, strategy, anchor="start", weight="bold"))
        for step, (what, name) in enumerate(decisions(strategy, "b", names)):  # type: ignore[arg-type]
            parts.append(box(150 + 82 * step, y, 74, f"{what} {name}", stroke=GOOD if what == "start" else BAD))
    return picture(740, 220, "Which siblings restart with a crashed child", parts)


# ---- a child's status: every change that Supervision makes


def happenings(supervision: Supervision) -> Iterator[tuple[str, Event]]:
    """Yield the possible next events of "a", which starts after "s"."""
    child, sibling = supervision.children["a"], supervision.children["s"]
    match child.status:
        case ChildStatus.STARTING:
            yield "ready", Ready("a", child.incarnation)
            yield "start fails", Ended("a", child.incarnation, ValueError())
            yield "start ignored", Ended("a", child.incarnation, ignored=True)
        case ChildStatus.RUNNING:
            yield "finishes", Ended("a", child.incarnation)
            yield "crashes", Ended("a", child.incarnation, ValueError())
        case ChildStatus.STOPPING:
            yield "ends", Ended("a", child.incarnation)
        case ChildStatus.WAITING:
            yield "wait over", Due("a", child.incarnation)
            yield "its turn", Ready("s", sibling.incarnation)
        case ChildStatus.DOWN:
            yield "restart()", StartAgain("a")
    yield "terminate()", Terminate("a")
    yield "shutdown", Shutdown()
    if sibling.status is ChildStatus.RUNNING:
        yield "sibling crashes", Ended("s", sibling.incarnation, ValueError())


Changes = dict[tuple[ChildStatus, ChildStatus], dict[str, None]]


def changes() -> Changes:
    """Return every status change with its event, for every kind of child and every strategy, a few changes deep."""
    found: Changes = {}
    for strategy in STRATEGIES:
        for kind in RESTARTS:
            for backoff in (None, ExponentialBackoff()):
                supervision = Supervision(strategy, max_restarts=2)  # type: ignore[arg-type]
                supervision.adopt(ChildRules("s"))
                supervision.adopt(ChildRules("a", kind, backoff))  # type: ignore[arg-type]
                supervision.handle(Boot(), 0.0)
                supervision.handle(Ready("s", 1), 0.0)
                found.setdefault((ChildStatus.DOWN, ChildStatus.STARTING), {})["its turn"] = None
                explore(supervision, found, 4)
    return found


def explore(supervision: Supervision, found: Changes, depth: int) -> None:
    """Record every change within `depth` events."""
    before = supervision.children["a"]
    for words, event in happenings(supervision):
        after = copy.deepcopy(supervision)
        after.handle(event, 0.0, 0.5)
        child = after.children.get("a")
        status = ChildStatus.DOWN if child is None else child.status
        if status is before.status and child is not None and child.incarnation == before.incarnation:
            continue
        if status is not before.status:
            found.setdefault((before.status, status), {})[words] = None
        if child is not None and "s" in after.children and depth:
            explore(after, found, depth - 1)


def life() -> str:
    """Draw the changes: from the row's status to the column's."""
    statuses = [ChildStatus.DOWN, ChildStatus.STARTING, ChildStatus.RUNNING, ChildStatus.WAITING, ChildStatus.STOPPING]
    found, width, line, y = changes(), 130, 18, 50
    parts = [text(20, 30, "from \\ to", anchor="start", fill=DIM)]
    parts += [text(120 + width * (n + 0.5), 30, status.value, weight="bold") for n, status in enumerate(statuses)]
    for source in statuses:
        cells = [sorted(found.get((source, target), {})) for target in statuses]
        height = line * max(map(len, cells)) + 20
        parts.append(f'<path d="M20 {y}H{120 + width * len(statuses)}" stroke="{DIM}"/>')
        parts.append(text(20, y + 24, source.value, anchor="start", weight="bold"))
        for column, words in enumerate(cells):
            x = 120 + width * (column + 0.5)
            parts += [text(x, y + 24 + line * n, word) for n, word in enumerate(words)]
        y += height
    return picture(140 + width * len(statuses), y + 10, "What changes a child's status, and to which", parts)


DIAGRAMS = {"restarts.svg": restarts, "strategies.svg": strategies, "life.svg": life}


def main() -> None:
    """Write the files."""
    for name, draw in DIAGRAMS.items():
        (TARGET / name).write_text(draw(), "utf-8")


if __name__ == "__main__":
    main()
