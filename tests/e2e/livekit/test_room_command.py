"""`ds-actors room`: the page in a real browser, the badge, and what is left when it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from livekit_harness import components
from livekit_harness.browser import open_chromium
from livekit_harness.process import until
from livekit_harness.room_command import RoomCommand, RoomPage, run_room
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage

PICTURE_LIMIT = 200_000
_TEXTS = {
    ("not_monitored", "unknown"): "Not watched",
    ("waiting", "unknown"): "Waiting",
    ("muted", "clear"): "Camera off",
    ("muted", "alert"): "Alert, not checked now",
    ("stale", "clear"): "Not checked now",
    ("unjudged", "clear"): "No verdict",
    ("encrypted", "unknown"): "Encrypted",
    ("checked", "suspicious"): "Suspicious",
}
"""By coverage and level."""
pytestmark = pytest.mark.timeout(180)


def need(found: Path | None, what: str) -> Path:
    if found is None:
        pytest.skip(f"needs {what}; `{components.ENABLE}` gets it")
    return found


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Generator[RoomCommand]:
    server = need(components.livekit_server(), "livekit-server")
    need(components.room_page(), "the page of ds-actors room, built")
    with run_room(server, tmp_path_factory.mktemp("room"), DATASPIKE_NORMAL_FPS="1") as command:
        yield command


@pytest.fixture(scope="module")
def chromium() -> Generator[Chromium]:
    with open_chromium(need(components.chromium(), "chromium")) as browser:
        yield browser


@pytest.fixture
def tab(command: RoomCommand, chromium: Chromium) -> Generator[Callable[[], RoomPage]]:
    """Opens the page in further tabs; each must end without an uncaught error, and stay within the page's policy.

    What livekit-client writes into the console while it reconnects is no error of the page.
    """
    context = chromium.new_context(viewport={"width": 1100, "height": 720})
    problems: list[str] = []

    def noted(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            problems.append(message.text)

    def opened() -> RoomPage:
        page = context.new_page()
        page.on("console", noted)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(command.url)
        return RoomPage(page)

    yield opened
    context.close()
    assert problems == []


def test_tampering_turns_the_badge_from_clear_to_alert_and_back(tab: Callable[[], RoomPage]) -> None:
    """Everybody sees it; the text is announced, and beside it stands when the picture was checked."""
    alice, bob = tab(), tab()
    alice.join("alice")
    bob.join("bob", camera=True)
    for page in (alice, bob):
        page.wait_for("alice", "clear")
        page.wait_for("bob", "clear")
    alice.press("Tamper with my picture")
    for page in (alice, bob):
        page.wait_for("alice", "alert")
        assert page.badge("alice").get_by_role("alert").inner_text() == "Alert"
        assert page.badge("bob").get_by_role("status").inner_text() == "Clear"
        until(lambda page=page: page.badge("alice").get_by_text("checked").inner_text())  # type: ignore[misc]
    alice.press("Stop tampering")
    bob.wait_for("alice", "clear")
    assert alice.page.get_by_role("button", name="Tamper with my picture").is_visible()


def test_a_forged_packet_changes_nothing(tab: Callable[[], RoomPage], command: RoomCommand) -> None:
    """A participant who tampers sends an all-clear that looks like the detector's; the log calls it ignored."""
    alice, mallory = tab(), tab()
    alice.join("alice", command.host_code)
    mallory.join("mallory")
    mallory.press("Tamper with my picture")
    alice.wait_for("mallory", "alert")
    alice.record_changes()
    for _ in range(3):
        mallory.press("Send a forged all-clear")
    until(lambda: any("forged" in entry for entry in alice.logged(trusted=False)))
    (entry, *_) = alice.logged(trusted=False)
    assert "ignored: not the detector" in entry
    assert mallory.badge("mallory").get_attribute("data-state") == "alert"
    assert alice.badge("mallory").get_attribute("data-state") == "alert"
    assert alice.changes("mallory") == []
    assert not any("forged" in entry for entry in alice.logged(trusted=True))
    until(lambda: any(entry.endswith("times") for entry in alice.logged(trusted=True)))
    rows = alice.page.locator("#tracks tr")  # up to a second behind the badges
    until(lambda: any("mallory-" in row and "alert" in row for row in rows.all_inner_texts()))
    _draw(alice)


def test_a_name_of_markup_is_shown_as_text(tab: Callable[[], RoomPage], command: RoomCommand) -> None:
    """Neither the tile, nor the log, nor the host's panel makes an element of it."""
    host, mallory = tab(), tab()
    name = "<u class=injected>mallory</u>"
    host.join("host", command.host_code)
    mallory.join(name)
    mallory.press("Send a forged all-clear")
    until(lambda: any(name in entry for entry in host.logged(trusted=False)))
    host.page.locator("#tracks").get_by_text(name).wait_for()
    assert host.tile(name).get_by_role("heading").inner_text() == name
    assert host.page.locator(".injected").count() == 0


def test_the_log_has_the_newest_packet_on_top_and_names_its_sender_once(tab: Callable[[], RoomPage]) -> None:
    """A packet like an earlier one counts that one up, and brings it to the top with the new time."""
    alice = tab()
    alice.join("alice")
    alice.wait_for("alice", "clear")
    alice.press("Send a forged all-clear")
    until(lambda: any("coverage:" in entry for entry in alice.logged(trusted=True)))
    newest = alice.page.locator("#log > p").first
    until(lambda: newest.get_attribute("data-trusted") == "true")
    alice.press("Send a forged all-clear")
    forged = alice.page.locator('#log > p[data-trusted="false"]')
    until(lambda: forged.all_inner_texts()[0].endswith("2 times"))
    assert forged.count() == 1
    tops = alice.page.evaluate(
        """() => new Promise((resolve) => {
            const seen = [], log = document.getElementById("log");
            const watched = { childList: true, subtree: true };
            new MutationObserver((changes, observer) => {
                const changed = changes.map(({ target }) => target.closest("p")).find((item) => item !== null);
                seen.push(changed === undefined || changed === log.firstElementChild);
                if (seen.length === 8) { observer.disconnect(); resolve(seen); }
            }).observe(log, watched);
        })"""
    )
    assert all(tops)
    assert not any("detector detector" in " ".join(entry.split()) for entry in alice.logged(trusted=True))


def _draw(page: RoomPage) -> None:
    """Draw the picture of the docs, into the folder that DS_ACTORS_PICTURES names; without it, into memory."""
    picture = page.page.screenshot(full_page=True)
    assert len(picture) < PICTURE_LIMIT
    if folder := os.environ.get("DS_ACTORS_PICTURES"):
        (Path(folder) / "room.png").write_bytes(picture)


def test_each_state_has_its_own_text(tab: Callable[[], RoomPage]) -> None:
    """The detector's word about the coverage is shown as such, and a forger's is not; axe finds no violation."""
    opened = tab()
    page = opened.page
    for (coverage, level), text in _TEXTS.items():
        entry = {"track_id": "TR_1", "level": level, "coverage": coverage, "checked_ms_ago": None}
        told = {"type": "deepfake_coverage", "tracks": [entry]}
        shown = page.evaluate(
            """([told]) => {
                const badge = document.createElement("deepfake-badge");
                badge.setAttribute("track", "TR_1");
                badge.setAttribute("agent", "detector");
                document.querySelector("main").append(badge);
                const text = () => badge.shadowRoot.querySelector(".badge").innerText.trim();
                const payload = new TextEncoder().encode(JSON.stringify(told));
                const take = (identity, kind) =>
                    [badge.receive({ payload, topic: told.type, sender: { identity, kind } }), text()];
                return [text(), take("detector", 0), take("impostor", 4), take("detector", 4)];
            }""",
            [told],
        )
        nothing = "Not watched"
        assert shown == [nothing, [False, nothing], [False, nothing], [True, text]]
    assert opened.violations(need(components.axe(), "axe-core")) == []


def test_the_live_region_is_written_only_when_the_state_changes(tab: Callable[[], RoomPage]) -> None:
    """The age counts on beside it, without an announcement every second; silence then makes the badge stale."""
    page = tab().page
    told = {"type": "deepfake_alert", "level": "clear", "track_id": "TR_1"}
    writings, texts = page.evaluate(
        """async ([told]) => {
            const badge = document.createElement("deepfake-badge");
            badge.setAttribute("track", "TR_1");
            badge.setAttribute("stale-after", "2.5");
            document.querySelector("main").append(badge);
            const payload = new TextEncoder().encode(JSON.stringify(told));
            badge.receive({ payload, topic: told.type, sender: { identity: "any", kind: 4 } });
            const region = badge.shadowRoot.querySelector("[role=status]");
            const age = badge.shadowRoot.querySelector(".age");
            const writings = [], texts = new Set([age.textContent]);
            new MutationObserver(() => writings.push(region.textContent)).observe(region, { childList: true });
            new MutationObserver(() => texts.add(age.textContent)).observe(age, { childList: true });
            await new Promise((resolve) => badge.addEventListener("badge-change", resolve));
            await new Promise((resolve) => setTimeout(resolve));
            return [writings, [...texts]];
        }""",
        [told],
    )
    assert writings == ["Not checked now"]
    assert texts[0] == "checked just now"
    assert len(texts) > 1


def test_axe_finds_no_violation(tab: Callable[[], RoomPage], command: RoomCommand) -> None:
    """Neither in the form, nor in the room with an alert, the log and the host's panel."""
    axe = need(components.axe(), "axe-core")
    page = tab()
    assert page.violations(axe) == []
    page.join("alice", command.host_code)
    page.wait_for("alice", "clear")
    assert page.violations(axe) == []
    page.press("Tamper with my picture")
    page.press("Send a forged all-clear")
    page.wait_for("alice", "alert")
    page.page.locator("#tracks tr").first.wait_for()
    assert page.violations(axe) == []


def test_the_panel_is_for_the_host_only(tab: Callable[[], RoomPage], command: RoomCommand) -> None:
    """With the code it shows the monitor and the parts; a wrong code is refused, and a guest has no panel."""
    host, guest, guesser = tab(), tab(), tab()
    host.join("host", command.host_code)
    host.wait_for("host", "clear")
    panel = host.page.get_by_role("region", name="For the host only")
    panel.locator("#tracks").get_by_text("host-").wait_for()
    assert panel.locator("#parts").inner_text().count("running") == 4
    guest.join("guest")
    assert guest.page.get_by_role("region", name="For the host only").count() == 0
    assert guest.page.evaluate("fetch('api/status').then((answer) => answer.status)") == 401
    guesser.page.get_by_label("Host code").fill("wrong")
    guesser.press("Join the room")
    guesser.page.get_by_role("alert").get_by_text("not the host code").wait_for()
    assert guesser.page.locator("#call").is_hidden()


def test_only_this_machine_reaches_it(command: RoomCommand) -> None:
    """livekit-server, the sandbox and the page accept connections on 127.0.0.1 and nowhere else."""
    assert command.listening() == ["0100007F"] * 3


@pytest.mark.slow
@pytest.mark.parametrize("part", ["watcher.py", "livekit-server"])
def test_a_killed_part_is_started_again_at_its_address(
    tab: Callable[[], RoomPage], command: RoomCommand, part: str
) -> None:
    """The badge does not stay clear without it, and shows a level again when it is back, in the same page."""
    page = tab()
    page.join("alice")
    page.wait_for("alice", "clear")
    page.record_changes()
    (found,) = (pid for pid, line in command.descendants().items() if part in line and "guard.py" not in line)
    os.kill(found, signal.SIGKILL)
    until(lambda: page.changes("alice")[-1:] == ["clear"], 60)
    assert {"unwatched", "waiting", "stale"} & set(page.changes("alice"))


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_end_leaves_nothing_behind(tmp_path: Path, ended_by: signal.Signals) -> None:
    """No process, no port, no file: after Ctrl-C or SIGTERM with exit code 0, and even when the command is killed."""
    server = need(components.livekit_server(), "livekit-server")
    need(components.room_page(), "the page of ds-actors room, built")
    with run_room(server, tmp_path) as command:
        processes = command.descendants()
        assert len(processes) == 4
        assert all(sum(part in line for line in processes.values()) == 2 for part in ("livekit-server", "watcher.py"))
        port = int(command.url.rstrip("/").rpartition(":")[2])
        command.process.send_signal(ended_by)
        assert command.process.wait(30) == (-signal.SIGKILL if ended_by is signal.SIGKILL else 0)
    until(lambda: not any(_is(pid, line) for pid, line in processes.items()))
    with socket.create_server(("127.0.0.1", port)):
        pass
    assert list(tmp_path.iterdir()) == []
    assert "secret" not in json.dumps(command.events)


def _is(pid: int, line: str) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") == line
    except OSError:
        return False
