"""Events as lines of text for a chat."""

from __future__ import annotations

import json

import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from web_hooks import hooks

from ds_actors.detection import ResultEvent, SlackSink
from ds_actors.detection.events import Level, ResultType, plain
from ds_actors.detection.sinks._slack import slack_text

EVENT = ResultEvent(
    ResultType.ALERT, "alice", "TR_1", "so it is", 7, source="camera", previous_level=Level.CLEAR, sequence=3
)


async def test_an_event_is_posted_as_text() -> None:
    """The body has one key, as incoming webhooks want it; the path, which is the secret, arrives."""
    async with hooks() as server:
        with trio.fail_after(20):
            await SlackSink(f"http://127.0.0.1:{server.port}/services/T0/B0/x", room=lambda: "call").deliver(EVENT)
    ((lines, body),) = server.requests
    assert lines[0] == "POST /services/T0/B0/x HTTP/1.1"
    assert json.loads(body) == {
        "text": "\N{LARGE RED CIRCLE} alert: `alice` (`camera`) in `call`, was clear. `so it is`"
    }


def test_a_room_a_source_and_a_change_are_named_only_where_there_are_any() -> None:
    """An error is none of the three levels."""
    event = evolve(EVENT, type=ResultType.ERROR, source="", previous_level=Level.ERROR, message="")
    assert slack_text(event) == "\N{MEDIUM WHITE CIRCLE} error: `alice`. `?`"


@given(st.text(alphabet=st.sampled_from("`@<>&!|\n\x1b\u202eab[]()*_~ "), max_size=40), st.text(max_size=20))
def test_strangers_text_mentions_nobody_and_leaves_its_code(text: str, other: str) -> None:
    """No `<!channel>`, no `@everyone`, no end of the code span, no second line, whatever the names are."""
    written = slack_text(evolve(EVENT, participant_id=text, source=other, message=text), text)
    shown = 2 + bool(plain(other)) + bool(plain(text))
    assert "<" not in written
    assert ">" not in written
    assert "@" not in written.replace("@\N{ZERO WIDTH SPACE}", "")
    assert written.count("`") == 2 * shown
    assert written.splitlines() == [written]


def test_the_url_is_shown_nowhere() -> None:
    """It is the secret; the host says enough."""
    sink = SlackSink("https://hooks.slack.com/services/T0/B0/very-secret")
    assert repr(sink) == "SlackSink(host='hooks.slack.com')"
    with pytest.raises(ValueError, match="url must begin with https") as raised:
        SlackSink("http://hooks.slack.com/very-secret")
    assert "very-secret" not in str(raised.value)
