"""A polite crawler: one actor per host, one request at a time, and a pause after each, as its robots.txt says.

    pip install . httpx      # in a clone of the repository
    python examples/crawler.py [--pages N] [--pause SECONDS] URL...

It follows links to the hosts of the given URLs and prints one line per page. A host that breaks the connection crashes
its actor; the supervisor starts it again after a backoff, the page in hand is tried again, and no other host waits.
State that must outlive a crash (pages, tries, each host's next time) is in a `Crawl`, which no actor owns.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import httpx
import trio
from attrs import define, field, frozen

from ds_actors import Actor, ActorRef, Exit, ExponentialBackoff, Reject, Supervisor, SupervisorRef, SupervisorSpec

AGENT = "ds-actors-example"
TRIES = 3
LARGEST_PAGE = 2_000_000  # bytes


@frozen
class Discover:
    """These pages are of interest."""

    urls: tuple[str, ...]


@frozen
class Fetch:
    """Fetch this page when its turn comes."""

    url: str


@frozen
class Fetched:
    """A page is done: its status or the reason without one, and its links."""

    url: str
    outcome: str
    links: tuple[str, ...] = ()


@define
class Crawl:
    """The state of all pages; it outlives every actor."""

    hosts: frozenset[str]
    """Only pages of these hosts are fetched."""
    pages: int
    """The most pages to fetch."""
    outcomes: dict[str, str] = field(factory=dict[str, str])
    """Outcomes by URL, in the order of discovery; empty while a page is outstanding."""
    tries: dict[str, int] = field(factory=dict[str, int])
    free_at: dict[str, float] = field(factory=dict[str, float])
    """By host, when the next request may be made (trio's clock, seconds)."""


@define
class Host(Actor[Fetch]):
    """Fetches the pages of one host, politely. A broken connection is a crash."""

    name: str
    crawl: Crawl
    frontier: ActorRef[Discover | Fetched]
    pause: float
    _client: httpx.AsyncClient = field(factory=lambda: httpx.AsyncClient(headers={"User-Agent": AGENT}, timeout=10))
    _robots: RobotFileParser | None = None

    async def receive(self, message: Fetch, /) -> None:
        url = message.url
        tries = self.crawl.tries[url] = self.crawl.tries.get(url, 0) + 1
        if tries > TRIES:
            await self.frontier.send(Fetched(url, f"given up after {TRIES} tries"))
            return
        if self._robots is None:
            self._robots = await self._rules(urljoin(url, "/robots.txt"))
            self.pause = max(self.pause, float(self._robots.crawl_delay(AGENT) or 0))
        if self._robots.can_fetch(AGENT, url):
            await self.frontier.send(await self._fetch(url))
        else:
            await self.frontier.send(Fetched(url, "not wanted by robots.txt"))

    async def stopping(self, exit: Exit, /) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def _get(self, url: str) -> AsyncGenerator[httpx.Response]:
        await trio.sleep_until(self.crawl.free_at.get(self.name, -math.inf))
        try:
            async with self._client.stream("GET", url) as response:
                yield response
        finally:
            self.crawl.free_at[self.name] = trio.current_time() + self.pause

    async def _rules(self, url: str) -> RobotFileParser:
        robots = RobotFileParser()
        async with self._get(url) as response:
            rules = await self._text(response) if response.is_success else ""
        robots.parse(rules.splitlines() if rules is not None else ["User-agent: *", "Disallow: /"])
        return robots

    async def _fetch(self, url: str) -> Fetched:
        async with self._get(url) as response:
            outcome = str(response.status_code)
            if response.is_redirect:
                return Fetched(url, outcome, (urljoin(url, response.headers.get("location", "")),))
            if "html" not in response.headers.get("content-type", ""):
                return Fetched(url, outcome)
            text = await self._text(response)
        if text is None:
            return Fetched(url, "too large")
        links = Links(url)
        links.feed(text)
        return Fetched(url, outcome, tuple(links.found))

    @staticmethod
    async def _text(response: httpx.Response) -> str | None:
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > LARGEST_PAGE:
                return None
        return body.decode(response.encoding or "utf-8", "replace")


class Links(HTMLParser):
    """Collects the links of a page."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base
        self.found: dict[str, None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") if tag == "a" else None
        if href:
            with suppress(ValueError):  # it is not a URL
                self.found[urldefrag(urljoin(self._base, href)).url] = None


@define
class Frontier(Actor[Discover | Fetched]):
    """Decides which page is fetched next, and by which host's actor; stops when no page is outstanding."""

    crawl: Crawl
    seeds: tuple[str, ...]
    hosts: SupervisorRef
    pause: float
    _refs: dict[str, ActorRef[Fetch]] = field(factory=dict[str, ActorRef[Fetch]])
    _waiting: int = 0

    async def started(self) -> None:
        # After its own crash, it requests the outstanding pages again.
        unfinished = tuple(url for url, outcome in self.crawl.outcomes.items() if not outcome)
        for url in unfinished:
            del self.crawl.outcomes[url]
        self.context.ref.tell(Discover(unfinished or self.seeds))
        self._waiting = 1

    async def receive(self, message: Discover | Fetched, /) -> None:
        match message:
            case Discover(urls):
                self._waiting -= 1
                for url in urls:
                    await self._discover(url)
            case Fetched(url, outcome, links):
                if self.crawl.outcomes.get(url) == "":
                    self.crawl.outcomes[url] = outcome
                    self._waiting -= 1
                    print(f"{outcome}  {printable(url)}", flush=True)
                for link in links:
                    await self._discover(link)
        if not self._waiting:
            self.context.stop()

    async def _discover(self, url: str) -> None:
        scheme, host, *_ = urlsplit(url)
        wanted = scheme in ("http", "https") and host in self.crawl.hosts and url not in self.crawl.outcomes
        if not wanted or len(self.crawl.outcomes) >= self.crawl.pages:
            return
        self.crawl.outcomes[url] = ""
        self._waiting += 1
        if host not in self._refs:
            self._refs[host] = await self._open(host)
        self._refs[host].tell(Fetch(url))  # its mailbox has room for all pages of the crawl

    async def _open(self, host: str) -> ActorRef[Fetch]:
        try:
            return self.hosts.find(host)  # type: ignore[return-value]
        except LookupError:
            return await self.hosts.start(
                Host,
                host,
                self.crawl,
                self.context.ref,
                self.pause,
                name=host,
                backoff=ExponentialBackoff(base=0.1, cap=30),
                mailbox=partial(Reject[Fetch], self.crawl.pages, redeliver=TRIES),
                expected=(httpx.TransportError,),
            )


def printable(text: str) -> str:
    """Return untrusted text without terminal control characters."""
    return "".join(c if c.isprintable() else "?" for c in text)


async def crawl(seeds: tuple[str, ...], *, pages: int = 100, pause: float = 1.0) -> dict[str, str]:
    """Fetch up to `pages` pages, waiting `pause` seconds after each request to a host; return the outcomes by URL."""
    known = Crawl(frozenset(urlsplit(url).netloc for url in seeds), pages)
    async with Supervisor("crawler", close_within=5) as app:
        hosts = await app.start(SupervisorSpec("hosts", "dynamic"))
        frontier = await app.start(Frontier, known, seeds, hosts, pause, name="frontier", restart="transient")
        await frontier.wait_stopped()
    return known.outcomes


def main() -> int:
    """Crawl the URLs of the command line; return 1 when a page failed, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="+")
    parser.add_argument("--pages", type=int, default=100, help="the most pages to fetch (default: 100)")
    parser.add_argument(
        "--pause", type=float, default=1.0, help="seconds to wait after each request to a host (default: 1)"
    )
    options = parser.parse_args()
    outcomes: dict[str, str] | None = None
    try:
        outcomes = trio.run(partial(crawl, tuple(options.url), pages=options.pages, pause=options.pause))
    except* KeyboardInterrupt:
        print("stopped")
    return 130 if outcomes is None else int(any(outcome.startswith("given up") for outcome in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
