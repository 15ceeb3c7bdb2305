"""A page with livekit-client in Debian's chromium, as a participant of a room."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from attrs import define
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, sync_playwright

from livekit_harness.components import HARNESS
from livekit_harness.process import until
from livekit_harness.room import TOPIC

_FLAGS: Final = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--no-sandbox",
]


@define(eq=False)
class Browser:
    """The page, joined to nothing yet."""

    page: Page

    def join(self, url: str, token: str, *, publish: bool) -> str | None:
        """Join, and publish the fake camera; return its track's sid."""
        sid: str | None = self.page.evaluate(
            "([url, token, options]) => join(url, token, options)", [url, token, {"publish": publish}]
        )
        return sid

    def packets(self, level: str | None = None, topic: str = TOPIC) -> list[dict[str, Any]]:
        """Return the packets on a topic so far, their payload read as JSON under "json"."""
        found = [
            packet | {"json": json.loads(packet["payload"])}
            for packet in self.page.evaluate("packets")
            if packet["topic"] == topic
        ]
        return [packet for packet in found if level in (None, packet["json"]["level"])]

    def others(self) -> list[str]:
        """Return the identities of whom the page sees."""
        return list(self.page.evaluate("others()"))

    def media(self) -> int:
        """Return how many tracks it is subscribed to."""
        return int(self.page.evaluate("media()"))

    def leave(self) -> None:
        """Leave the room."""
        self.page.evaluate("leave()")


@contextmanager
def open_browser(chromium: Path, client: Path) -> Generator[Browser]:
    """Run the browser for the length of a block, its page served from this machine."""
    files = {"/page.html": HARNESS / "page.html", "/livekit-client.umd.js": client}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = files.get(self.path)
            self.send_response(404 if path is None else 200)
            self.send_header("Content-Type", "text/html" if self.path.endswith("html") else "text/javascript")
            self.end_headers()
            if path is not None:
                self.wfile.write(path.read_bytes())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever, name="page")
        thread.start()
        try:
            with open_chromium(chromium) as browser:
                page = browser.new_page()
                page.goto(f"http://127.0.0.1:{web.server_port}/page.html")
                yield Browser(page)
        finally:
            web.shutdown()
            thread.join()


@contextmanager
def open_chromium(chromium: Path) -> Generator[Chromium]:
    """Run chromium with a fake camera for the length of a block; it has no page yet."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()
    until(lambda: not _running(chromium))


def _running(chromium: Path) -> list[str]:
    """Return the browser's processes that descend from this one."""
    found: list[str] = []
    processes = [os.getpid()]
    for pid in processes:  # grows meanwhile
        with suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_text()
            found += [command] if chromium.name in command else []
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                processes += [int(child) for child in children.read_text().split()]
    return found
