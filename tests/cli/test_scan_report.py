"""The report's page: self-contained, and safe whatever a file is called."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from ds_actors.cli._scan import report
from ds_actors.cli._scan.report import clock, verdict
from ds_actors.cli._scan.result import ScanOutcome, StreamScan
from ds_actors.detection import Level

HOSTILE = "\"><script>alert(1)</script>&'\x1b[2J\u202e.mp4"


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def example() -> StreamScan:
    result = StreamScan(HOSTILE, 1.0, ScanOutcome.PARTIAL, problem=HOSTILE, due=6, sent=6, last_pts=6.0)
    for second, level in enumerate([Level.CLEAR, Level.CLEAR, Level.SUSPICIOUS, Level.ALERT]):
        result.timeline.add(float(second), level)
    result.timeline.end(4.0)
    return result


def test_names_and_reasons_are_text_and_nothing_else() -> None:
    """No tag comes from a file's name, no control or direction character survives, nothing is loaded."""
    text = report.page([example()], service=HOSTILE, made="now")
    tags = Tags(text).tags
    assert "script" not in {tag for tag, _attributes in tags}
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text
    for _tag, attributes in tags:
        assert not {name for name in attributes if name.startswith("on")}
        assert (attributes.get("href") or "#").startswith("#")
        assert (attributes.get("src") or "data:").startswith("data:")
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text


def test_the_picture_is_drawn_to_scale() -> None:
    """Each segment is a bar of its length; the unanswered rest stays empty."""
    (svg,) = re.findall(r"<svg.*?</svg>", report.timeline(example()), re.DOTALL)
    bars = ET.fromstring(svg).findall("a/rect")
    assert [(float(bar.attrib["x"]), float(bar.attrib["width"])) for bar in bars] == [
        (0.0, 320.0),
        (320.0, 160.0),
        (480.0, 160.0),
    ]
    assert len({bar.attrib["fill"] for bar in bars}) == len({bar.attrib["height"] for bar in bars}) == 3


def test_the_verdict_comes_first() -> None:
    """The most severe level, when, and in how many samples: before the timeline, the segments and the figures."""
    text = report.page([example()], service="s", made="now")
    assert '<span class="level alert">Alert</span>, 0:03.0 to 0:04.0: 1 of 4 samples' in text
    order = [
        text.index(part) for part in ("<h1>", "Alert</span>", "<svg", "<th>From</th>", "<th>Outcome</th>", "now by")
    ]
    assert order == sorted(order)


def test_a_verdict_says_only_the_first_times() -> None:
    """An alert that comes and goes does not fill the headline, and a clear video needs no times."""
    result = StreamScan("a.mp4", 1.0, ScanOutcome.COMPLETE, due=10, sent=10, last_pts=10.0)
    for second in range(10):
        result.timeline.add(float(second), Level.ALERT if second % 2 else Level.CLEAR)
    result.timeline.end(10.0)
    times = "0:01.0 to 0:02.0, 0:03.0 to 0:04.0, 0:05.0 to 0:06.0 and 2 more times"
    assert f"Alert</span>, {times}: 5 of 10 samples" in verdict(result)
    clear = StreamScan("a.mp4", 1.0, ScanOutcome.COMPLETE, due=1, sent=1, last_pts=1.0)
    clear.timeline.add(0.0, Level.CLEAR)
    assert verdict(clear).endswith("Clear</span>: 1 of 1 sample")
    failed = StreamScan("a.mp4", 1.0, ScanOutcome.COMPLETE, due=1, sent=1, last_pts=1.0)
    failed.timeline.add(0.0, Level.ERROR)
    assert verdict(failed) == "No verdict: 1 sample could not be judged"
    assert verdict(StreamScan("a.mp4", 1.0)) == ""


def test_each_bar_leads_to_its_row() -> None:
    """Every link of the page has its target on the page, also with several videos."""
    text = report.page([example(), example()], service="s", made="now")
    tags = Tags(text).tags
    links = {attributes["href"] for _tag, attributes in tags if "href" in attributes}
    targets = {f"#{attributes['id']}" for _tag, attributes in tags if "id" in attributes}
    assert len(links) == 2 + 2 * 3
    assert links <= targets


def test_several_files_have_an_overview_and_one_has_none() -> None:
    """What was found is the headline; a row a file has its name, its verdict and its outcome."""
    absent = StreamScan("absent.mp4", 1.0, ScanOutcome.BAD_INPUT, problem="there is no such file")
    several = report.page([example(), absent], service="s", made="now")
    overview = several[: several.index("<section")]
    assert "<h1>2 videos: alert in 1</h1>" in overview
    assert overview.count("<tr>") == 3
    assert "absent.mp4</a></td><td></td><td>bad input" in overview
    assert '<span class="level alert">Alert</span>' in overview
    alone = report.page([example()], service="s", made="now")
    assert "<table>" not in alone[: alone.index("<section")]
    assert "<h1>2 videos: nothing was judged</h1>" in report.page([absent, absent], service="s", made="now")


def test_a_file_that_was_not_read_has_no_figures() -> None:
    """Its problem is all that is said of it, or that it was not scanned."""
    bad = report.page([StreamScan("a.mp4", 1.0, ScanOutcome.BAD_INPUT, problem="it is empty")], service="s", made="now")
    assert "it is empty" in bad
    assert "<table>" not in bad
    assert "verdict" not in bad[bad.index("<body>") :]
    assert "<p>Not scanned.</p>" in report.page([StreamScan("a.mp4", 1.0)], service="s", made="now")


def test_times_are_read_as_clocks() -> None:
    """Hours, minutes, seconds, tenths; rounding carries."""
    assert [clock(0), clock(59.96), clock(3_725.04)] == ["0:00.0", "1:00.0", "1:02:05.0"]
