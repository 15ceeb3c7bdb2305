"""The crawler, against real servers on this machine."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest

CRAWLER = Path(__file__).parents[2] / "examples" / "crawler.py"
PAUSE = 0.2


class Site(ThreadingHTTPServer):
    """A host of its own (its port makes it one) that notes who asks for what, and when."""

    def __init__(self, pages: dict[str, str], *, breaks: dict[str, int] | None = None) -> None:
        self.pages = pages
        self.breaks = breaks or {}
        """How many requests of a path get a broken connection instead of an answer."""
        self.asked = Counter[str]()
        self.spans: list[tuple[float, float]] = []
        self.agents: set[str | None] = set()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        begin, site = time.monotonic(), cast("Site", self.server)
        site.asked[self.path] += 1
        site.agents.add(self.headers["User-Agent"])
        if site.asked[self.path] <= site.breaks.get(self.path, 0):
            self.close_connection = True
            return
        body = site.pages.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        site.spans.append((begin, time.monotonic()))
        self.wfile.write((body or "").encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(*sites: Site) -> Generator[None]:
    threads = [threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}) for site in sites]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for site, thread in zip(sites, threads, strict=True):
            site.shutdown()
            site.server_close()
            thread.join()


def links(*targets: str) -> str:
    return "".join(f'<a href="{target}">there</a>' for target in targets)


@pytest.fixture
def crawler(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("crawler")


async def test_it_finds_what_is_linked_and_leaves_alone_what_is_not_wanted(crawler: ModuleType) -> None:
    """Links are followed within the given hosts; robots.txt, fragments, other schemes and other hosts are heeded."""
    site = Site(
        {
            "/robots.txt": "User-agent: *\nDisallow: /private",
            "/": links("/a", "b#part", "/private/x", "mailto:a@b.c", "http://elsewhere.invalid/", "http://[", "/gone"),
            "/a": links("/", "/b"),
            "/b": "the end",
            "/private/x": "secret",
        }
    )
    with serving(site):
        outcomes = await crawler.crawl((site.url + "/",), pause=0)
    assert {url.removeprefix(site.url): outcome for url, outcome in outcomes.items()} == {
        "/": "200",
        "/a": "200",
        "/b": "200",
        "/gone": "404",
        "/private/x": "not wanted by robots.txt",
    }
    assert site.asked == Counter(["/robots.txt", "/", "/a", "/b", "/gone"])
    assert site.agents == {crawler.AGENT}


async def test_it_is_polite_to_each_host_and_serves_hosts_side_by_side(crawler: ModuleType) -> None:
    """A host gets one request at a time and a pause after each, from robots.txt where that asks for more."""
    pages = {f"/{n}": links(f"/{n + 1}") for n in range(5)}
    quick = Site({"/robots.txt": "", **pages})
    slow = Site({"/robots.txt": "User-agent: *\nCrawl-delay: 2", **pages})
    with serving(quick, slow):
        await crawler.crawl((quick.url + "/0", slow.url + "/0"), pages=7, pause=PAUSE)
    for site, pause in ((quick, PAUSE), (slow, 2.0)):
        after_robots = site.spans[1:]
        for (_, end), (begin, _) in pairwise(after_robots):
            assert begin - end >= pause
    assert len(quick.spans) > len(slow.spans)
    assert slow.spans[0][0] < quick.spans[-1][0]


async def test_a_host_that_breaks_connections_is_tried_again_and_no_other_waits(crawler: ModuleType) -> None:
    """Twice broken is fetched at the third try; always broken is given up; the other pages and hosts are fetched."""
    rocky = Site({"/robots.txt": "", "/": links("/flaky", "/dead", "/fine"), "/flaky": "", "/fine": ""})
    rocky.breaks = {"/flaky": 2, "/dead": 99}
    solid = Site({"/robots.txt": "", "/": links("/fine"), "/fine": ""})
    with serving(rocky, solid):
        outcomes = await crawler.crawl((rocky.url + "/", solid.url + "/"), pause=0)
    assert outcomes == {
        rocky.url + "/": "200",
        solid.url + "/": "200",
        rocky.url + "/flaky": "200",
        rocky.url + "/dead": "given up after 3 tries",
        rocky.url + "/fine": "200",
        solid.url + "/fine": "200",
    }
    assert rocky.asked["/dead"] == crawler.TRIES


async def test_it_stops_at_the_number_of_pages(crawler: ModuleType) -> None:
    """A site without end ends there."""
    endless = Site({"/robots.txt": "", **{f"/{n}": links(f"/{n + 1}", f"/{n + 2}") for n in range(100)}})
    with serving(endless):
        outcomes = await crawler.crawl((endless.url + "/0",), pages=10, pause=0)
    assert len(outcomes) == 10
    assert set(outcomes.values()) == {"200"}


def test_ctrl_c_ends_it_with_one_line() -> None:
    """While a host keeps it waiting: no traceback, exit 130."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with subprocess.Popen(
            [sys.executable, CRAWLER, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                with silent.accept()[0]:  # it is there, and waits for an answer
                    process.send_signal(signal.SIGINT)
                    out, err = process.communicate(timeout=60)
            finally:
                process.kill()
    assert (process.returncode, out.splitlines()[-1]) == (130, "stopped")
    assert "Traceback" not in err
