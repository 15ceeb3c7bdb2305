"""`ds-actors room` as a process, and its page as people use it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import define, field
from playwright.sync_api import Locator, Page

from livekit_harness.process import until

STARTS_WITHIN = 60.0
_LISTEN = "0A"


@define(eq=False)
class RoomCommand:
    """The running command."""

    process: subprocess.Popen[bytes]
    events: list[dict[str, Any]] = field(factory=list[dict[str, Any]])

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return the events of a kind so far."""
        return [found for found in list(self.events) if found["event"] == event]

    @property
    def url(self) -> str:
        """The URL of its page."""
        return str(self.told("listening")[0]["url"])

    @property
    def host_code(self) -> str:
        """What opens the host's panel."""
        return str(self.told("listening")[0]["host_code"])

    def descendants(self) -> dict[int, str]:
        """Return the command lines of its processes, by id."""
        found: dict[int, str] = {}
        left = [self.process.pid]
        for pid in left:  # grows meanwhile
            with suppress(OSError):
                found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
                for children in Path(f"/proc/{pid}/task").glob("*/children"):
                    left += [int(child) for child in children.read_text().split()]
        del found[self.process.pid]
        return found

    def listening(self) -> list[str]:
        """Return the local addresses, as the kernel writes them, on which its processes accept TCP connections."""
        sockets: set[str] = set()
        for pid in [self.process.pid, *self.descendants()]:
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    sockets.add(str(entry.readlink()))
        found: list[str] = []
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                _, local, _, state, *rest = line.split()
                if state == _LISTEN and f"socket:[{rest[5]}]" in sockets:
                    found.append(local.partition(":")[0])
        return found

    def interrupt(self) -> int:
        """Press Ctrl-C once; return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@contextmanager
def run_room(server: Path, folder: Path, **environment: str) -> Generator[RoomCommand]:
    """Run the command for the length of a block, from when its monitor has joined; `folder` has its temporary files."""
    command = [sys.executable, "-m", "ds_actors", "room", "--port", "0", "--json", "--livekit-server", str(server)]
    variables = {**os.environ, "TMPDIR": str(folder), **environment}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=variables) as process:
        running = RoomCommand(process)
        assert process.stdout is not None
        out = process.stdout

        def read() -> None:
            running.events.extend(json.loads(line) for line in out)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            until(lambda: running.told("watching") or process.poll() is not None, STARTS_WITHIN)
            assert process.poll() is None
            yield running
        finally:
            if process.poll() is None:
                running.interrupt()
            reader.join(10)


@define(eq=False)
class RoomPage:
    """The page in one tab."""

    page: Page

    def join(self, name: str, code: str = "", *, camera: bool = False) -> None:
        """Fill in the form, join, and wait until the own tile is there."""
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Host code").fill(code)
        if camera:
            self.page.get_by_label("My camera").check()
        self.page.get_by_role("button", name="Join the room").click()
        self.tile(name).wait_for(timeout=30_000)

    def press(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name).click()

    def tile(self, name: str) -> Locator:
        """Return a participant's tile."""
        return self.page.locator(f'#tiles > li[data-participant^="{name}-"]')

    def badge(self, name: str) -> Locator:
        """Return a participant's badge."""
        return self.tile(name).locator("deepfake-badge")

    def wait_for(self, name: str, state: str, seconds: float = 30.0) -> None:
        """Wait until a participant's badge shows a state."""
        self.tile(name).locator(f'deepfake-badge[data-state="{state}"]').wait_for(timeout=1_000 * seconds)

    def violations(self, axe: Path) -> list[tuple[str, list[str]]]:
        """Return the rules of accessibility that the page violates, each with the elements."""
        self.page.evaluate(axe.read_text("utf-8"))
        found: list[dict[str, Any]] = self.page.evaluate("async () => (await axe.run()).violations")
        return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]

    def record_changes(self) -> None:
        """Record the changes of all badges from now on."""
        self.page.evaluate(
            """() => {
                window.changes = [];
                addEventListener("badge-change", ({ target, detail }) =>
                    window.changes.push([target.closest("li")?.dataset.participant ?? "", detail]));
            }"""
        )

    def changes(self, name: str) -> list[str]:
        """Return the states that a participant's badge has changed to since `record_changes`."""
        recorded: list[tuple[str, str]] = self.page.evaluate("window.changes")
        return [state for participant, state in recorded if participant.startswith(f"{name}-")]

    def logged(self, *, trusted: bool) -> list[str]:
        """Return the entries of the log, newest first."""
        return self.page.locator(f'#log > p[data-trusted="{str(trusted).lower()}"]').all_inner_texts()
