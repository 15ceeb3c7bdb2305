"""What the web page's server answers. Pure but for the secrets it draws.

Only this machine reaches it, and a foreign page in a browser of this machine does not: a request must name this server
as its Host (no other name may be resolved to it), and one that has an Origin must come from this page.
"""

from __future__ import annotations

import hmac
import json
import mimetypes
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from attrs import define, field, frozen

from ds_actors import Node
from ds_actors.cli._room.plan import DETECTOR, RoomPlan
from ds_actors.detection.events import plain

MOST_BODY: Final = 4_096
_MOST_NAME: Final = 40
_JSON: Final = "application/json"


@frozen
class WebRequest:
    """A whole request; names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)


@frozen
class WebResponse:
    """A whole response."""

    status: int
    kind: str
    body: bytes = field(repr=False)


@frozen
class PageFile:
    """One file of the built page."""

    kind: str
    content: bytes = field(repr=False)


def load_page(folder: Path) -> dict[str, PageFile]:
    """Return the files of the built page by the path of their URL; `/` is index.html."""
    files: dict[str, PageFile] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        files[f"/{path.relative_to(folder).as_posix()}"] = PageFile(kind, path.read_bytes())
    if "/index.html" in files:
        files["/"] = files["/index.html"]
    return files


@define(eq=False)
class RoomSite:
    """The page, a token for each participant, and the status for the host."""

    plan: RoomPlan
    page: Mapping[str, PageFile] = field(repr=False)
    make_token: Callable[[RoomPlan, str, str], str] = field(repr=False)
    """(plan, identity, name) -> token."""
    parts: Callable[[], Sequence[Node]] = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every response: the page loads from here alone, and connects here and to livekit-server."""
        livekit = f"{self.plan.livekit_url} http{self.plan.livekit_url.removeprefix('ws')}"
        policy = {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "media-src": "'self' blob:",
            "connect-src": f"'self' {livekit}",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        return {
            "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }

    def respond(self, request: WebRequest) -> WebResponse:
        """Return the response to a request."""
        hosts = {f"{name}:{self.plan.web_port}" for name in ("127.0.0.1", "localhost")}
        if request.headers.get("host", "").lower() not in hosts:
            return _error(421, f"open {self.plan.page_url}: this server answers to no other name")
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in hosts}:
            return _error(403, "requests from other pages are refused")
        path = request.target.partition("?")[0]
        routes = {("POST", "/api/join"): self._join, ("GET", "/api/status"): self._status}
        if (route := routes.get((request.method, path))) is not None:
            return route(request)
        if (found := self.page.get(path)) is None:
            return _error(404, "there is no such page")
        if request.method not in {"GET", "HEAD"}:
            return _error(405, "use GET")
        return WebResponse(200, found.kind, found.content if request.method == "GET" else b"")

    def _join(self, request: WebRequest) -> WebResponse:
        # A form of another page cannot have this type, and a script of another page has an Origin.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
            return _error(415, f"send {_JSON}")
        try:
            asked: Any = json.loads(request.body)
        except (ValueError, RecursionError):
            asked = None
        fields = cast("dict[str, Any]", asked) if isinstance(asked, dict) else {}
        name, code = fields.get("name"), fields.get("code", "")
        if not isinstance(name, str) or not isinstance(code, str):
            return _error(400, "send a name, and the host code or an empty text")
        if code and not self._is_host(code):
            return _error(403, "this is not the host code that the terminal shows")
        shown = plain(name, _MOST_NAME).strip() or "guest"
        # Two people may choose one name, and LiveKit removes the earlier one of two with one identity.
        identity = f"{shown}-{secrets.token_hex(2)}"
        token = self.make_token(self.plan, identity, shown)
        return _json(200, {"url": self.plan.livekit_url, "token": token, "agent": DETECTOR, "host": bool(code)})

    def _status(self, request: WebRequest) -> WebResponse:
        scheme, _, code = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._is_host(code):
            return _error(401, "the host code is needed; the terminal shows it")
        parts = [{"name": part.name, "state": part.status, "restarts": part.restarts} for part in self.parts()]
        return _json(200, {"monitor": self.plan.monitor, "parts": parts})

    def _is_host(self, code: str) -> bool:
        return hmac.compare_digest(code.encode("utf-8", "replace"), self.plan.host_code.encode())


def _json(status: int, value: object) -> WebResponse:
    return WebResponse(status, _JSON, json.dumps(value).encode())


def _error(status: int, text: str) -> WebResponse:
    return _json(status, {"error": text})
