"""What the server of `ds-actors room` answers: to its own page, to strangers, and to people with odd names."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors import Supervisor
from ds_actors.cli._room.plan import DETECTOR, ROOM, RoomPlan
from ds_actors.cli._room.site import PageFile, RoomSite, WebRequest, WebResponse, load_page

PLAN = RoomPlan(7880, 7882, 8765, 8766)
HOST = {"host": "127.0.0.1:8766"}
JSON = {**HOST, "content-type": "application/json"}


def site() -> RoomSite:
    """A site whose tokens name whom they are for."""
    page = {"/": PageFile("text/html", b"the page")}
    return RoomSite(PLAN, page, _name_it, lambda: Supervisor("room").tree().children)


def _name_it(_plan: RoomPlan, identity: str, name: str) -> str:
    return json.dumps([identity, name])


def ask(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> WebResponse:
    return site().respond(WebRequest(method, target, headers, body))


def join(**fields: Any) -> WebResponse:
    return ask("POST", "/api/join", JSON, json.dumps(fields).encode())


@pytest.mark.parametrize("host", ["127.0.0.1:8766", "localhost:8766", "LOCALHOST:8766"])
def test_the_page_is_served_under_its_own_names(host: str) -> None:
    """A query says nothing."""
    answer = ask("GET", "/?from=docs", {"host": host})
    assert (answer.status, answer.body) == (200, b"the page")


@pytest.mark.parametrize(
    "host", ["evil.example:8766", "127.0.0.1", "127.0.0.1:8767", "127.0.0.1.evil.example:8766", ""]
)
@pytest.mark.parametrize(("method", "target"), [("GET", "/"), ("POST", "/api/join"), ("GET", "/api/status")])
def test_a_foreign_name_for_this_server_gets_nothing(host: str, method: str, target: str) -> None:
    """A page of the web whose name resolves to this machine is refused, with the right code and name before it, too."""
    headers = {**JSON, "host": host, "authorization": f"Bearer {PLAN.host_code}"}
    assert ask(method, target, headers, b'{"name": "alice", "code": ""}').status == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1:8766", "null"])
def test_a_page_of_another_origin_gets_no_token(origin: str) -> None:
    """The browser says where a script comes from."""
    assert ask("POST", "/api/join", {**JSON, "origin": origin}, b'{"name": "alice"}').status == 403


def test_a_form_of_another_page_gets_no_token() -> None:
    """A form cannot send JSON's type."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert ask("POST", "/api/join", {**HOST, "content-type": kind}, b'{"name": "alice"}').status == 415


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"alice"', b"{}", b'{"name": 7}', b'{"name": "a", "code": 7}', b"[" * 4_000]
)
def test_what_is_no_name_is_a_bad_request(body: bytes) -> None:
    """The answer says what to send."""
    answer = ask("POST", "/api/join", JSON, body)
    assert answer.status == 400
    assert "send a name" in json.loads(answer.body)["error"]


@given(st.text(max_size=200))
def test_no_name_becomes_the_detectors_identity(name: str) -> None:
    """Each identity has an ending of its own, and the name that is shown is short."""
    answer = json.loads(join(name=name).body)
    identity, shown = json.loads(answer["token"])
    assert answer["agent"] == DETECTOR
    assert identity != DETECTOR
    assert identity.startswith(f"{shown}-")
    assert 1 <= len(shown) <= 40


def test_two_people_of_one_name_have_two_identities() -> None:
    """LiveKit would remove the earlier one."""
    identities = {json.loads(join(name="alice").body)["token"] for _ in range(20)}
    assert len(identities) > 1


def test_the_host_code_makes_the_host() -> None:
    """Without it, a participant is a guest; a wrong code is refused instead of ignored."""
    assert json.loads(join(name="alice", code=PLAN.host_code).body)["host"] is True
    assert json.loads(join(name="alice").body)["host"] is False
    assert join(name="alice", code="wrong").status == 403


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic CODE", "Bearer \udcff"])
def test_the_status_needs_the_host_code(header: str) -> None:
    """No header, another scheme, another code."""
    header = header.replace("CODE", PLAN.host_code)
    assert ask("GET", "/api/status", {**HOST, "authorization": header}).status == 401
    answer = ask("GET", "/api/status", {**HOST, "authorization": f"Bearer {PLAN.host_code}"})
    assert json.loads(answer.body) == {"monitor": None, "parts": []}


@pytest.mark.parametrize("target", ["/../plan.py", "/%2e%2e/plan.py", "//etc/passwd", "/index.html", "/api", ""])
def test_only_the_pages_own_files_are_served(target: str) -> None:
    """They are read once, so no path leads to another file."""
    assert ask("GET", target, HOST).status == 404


def test_a_file_is_only_read() -> None:
    """HEAD is GET without a body."""
    assert ask("DELETE", "/", HOST).status == 405
    assert (ask("HEAD", "/", HOST).status, ask("HEAD", "/", HOST).body) == (200, b"")


def test_the_page_may_load_and_connect_nowhere_else() -> None:
    """The policy names this server and livekit-server only."""
    policy = site().headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self' ws://127.0.0.1:7880 http://127.0.0.1:7880;" in policy
    assert "unsafe" not in policy


def test_the_built_page_is_read_with_its_types(tmp_path: Path) -> None:
    """The index is also the root."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<p>")
    (tmp_path / "assets" / "index.js").write_text("1")
    files = load_page(tmp_path)
    assert {path: file.kind for path, file in files.items()} == {
        "/": "text/html",
        "/index.html": "text/html",
        "/assets/index.js": "text/javascript",
    }


def test_nothing_shows_the_secrets() -> None:
    """Neither the plan nor the site, when an error prints them."""
    assert PLAN.secret not in repr(PLAN) + repr(site())
    assert PLAN.host_code not in repr(PLAN) + repr(site())


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return read


def test_a_persons_token_is_for_this_room_alone_and_ends() -> None:
    """It joins, publishes and subscribes; it gives no right over the server or over others, and lasts six hours."""
    tokens = pytest.importorskip("ds_actors.cli._room.tokens", reason="needs the LiveKit adapter")
    person = claims(tokens.participant_token(PLAN, "alice-1", "alice"))
    granted = {name for name, value in person["video"].items() if value}
    assert granted == {"room", "roomJoin", "canPublish", "canSubscribe", "canPublishData"}
    assert person["video"]["room"] == ROOM
    assert not {"sip", "agent", "inference", "observability"} & {name for name, value in person.items() if value}
    assert 0 < person["exp"] - time.time() <= 6 * 3_600


def test_only_the_monitors_token_is_an_agents() -> None:
    """LiveKit reads the kind from the token, so no participant of the page can have it."""
    tokens = pytest.importorskip("ds_actors.cli._room.tokens", reason="needs the LiveKit adapter")
    person, monitor = claims(tokens.participant_token(PLAN, "alice-1", "alice")), claims(tokens.detector_token(PLAN))
    assert (person["sub"], person["kind"], person["video"]["room"]) == ("alice-1", "standard", ROOM)
    assert (monitor["sub"], monitor["kind"], monitor["video"]["canPublish"]) == (DETECTOR, "agent", False)
    assert "roomAdmin" not in person["video"]
