"""A sink that posts lines of text as Slack's incoming webhooks take them; Mattermost and others take them, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from ds_actors.detection.events import Level, ResultEvent, plain
from ds_actors.detection.sinks._webhook import WebhookSink

_MARKS: Final = {
    Level.ALERT: "\N{LARGE RED CIRCLE}",
    Level.SUSPICIOUS: "\N{LARGE YELLOW CIRCLE}",
    Level.CLEAR: "\N{LARGE GREEN CIRCLE}",
}
_OTHER_MARK: Final = "\N{MEDIUM WHITE CIRCLE}"
_NAME_LIMIT: Final = 80
_MESSAGE_LIMIT: Final = 300


class SlackSink(WebhookSink):
    """Posts each event as one line of text, `{"text": ...}`, to an incoming webhook.

    Names and messages are strangers' text: they are shown as code, and can neither mention anybody nor become links.
    Posts are repeated as `WebhookSink` repeats them. Wrap it in `Throttled`, or a busy room floods the channel.

    Args:
        url: the incoming webhook's, which is itself a secret: it is shown nowhere.
        room: the room's name, for the text; or a function that returns it.
        timeout: seconds for one post.
        retry_for: seconds from the first post of an event in which another may begin; 0 posts once.
        name: names the sink's actor and its counters.

    Raises:
        ModuleNotFoundError: when httpx is not installed.
        ValueError: when a value cannot be used; names the parameter.
    """

    __slots__ = ("_room",)

    def __init__(
        self,
        url: str,
        *,
        room: str | Callable[[], str] = "",
        timeout: float = 10.0,
        retry_for: float = 20.0,
        name: str = "slack",
    ) -> None:
        given = [url]
        del url
        self._room: str | Callable[[], str] = room
        super().__init__(given.pop(), timeout=timeout, retry_for=retry_for, name=name)

    def content(self, event: ResultEvent) -> bytes:
        """Return the body of the post."""
        room = self._room() if callable(self._room) else self._room
        return json.dumps({"text": slack_text(event, room)}).encode("ascii")

    def __repr__(self) -> str:
        return f"SlackSink(host={getattr(self, 'host', None)!r})"


def slack_text(event: ResultEvent, room: str = "") -> str:
    """Return an event as one line for a chat, in which strangers' text is only ever shown."""
    mark = _MARKS.get(event.level, _OTHER_MARK)
    where = f" in {_code(room, _NAME_LIMIT)}" if plain(room) else ""
    source = f" ({_code(event.source, _NAME_LIMIT)})" if plain(event.source) else ""
    who = _code(event.participant_id, _NAME_LIMIT)
    was = "" if event.previous_level is event.level else f", was {event.previous_level.value}"
    return f"{mark} {event.level.value}: {who}{source}{where}{was}. {_code(event.message, _MESSAGE_LIMIT)}"


def _code(text: str, limit: int) -> str:
    shown = plain(text, limit).replace("`", "'") or "?"
    for character, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", "@\N{ZERO WIDTH SPACE}")):
        shown = shown.replace(character, written)
    return f"`{shown}`"
