"""The law of webhooks: what a receiver gets of each track, whatever it does with the posts."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from unittest.mock import patch

import httpx
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from ds_actors import Supervisor
from ds_actors.detection import ResultEvent, ResultType, WebhookSink, verify_webhook
from ds_actors.detection.sinks._actor import DELIVERY_TIMEOUT, SinkActor
from ds_actors.detection.sinks._record import SinkRecord
from ds_actors.testing import run_virtual

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RETRY_FOR = 12.0
ANSWERS = ["take", "take", "take", "503", "429 for 2 s", "404", "reset", "silence", "take in silence"]
SLOW = 4.0


class Receiver:
    """Answers each post as the script says, and keeps what it was sent and took."""

    def __init__(self, script: Sequence[str]) -> None:
        self.script = iter(script)
        self.posts: list[tuple[float, str, bytes]] = []
        self.taken: list[bytes] = []

    async def answer(self, request: httpx.Request) -> httpx.Response:
        webhook_id = verify_webhook(request.headers, request.content, SECRET)
        assert request.headers["idempotency-key"] == webhook_id
        self.posts.append((trio.current_time(), webhook_id, request.content))
        how = next(self.script, "take")
        await trio.sleep(0.05)
        if how.startswith("take"):
            self.taken.append(request.content)
        if how.endswith("silence"):
            await trio.sleep(SLOW * 2)
        if how == "reset":
            raise httpx.ReadError("reset")
        status = {"503": 503, "429 for 2 s": 429, "404": 404}.get(how, 204)
        return httpx.Response(status, headers={"Retry-After": "2"} if status == 429 else {})


def event_of(number: int, track: int) -> ResultEvent:
    return ResultEvent(ResultType.ALERT, "alice", f"TR_{track}", "", number, sequence=number)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(0, 3)), min_size=1, max_size=25),
    st.lists(st.sampled_from(ANSWERS), max_size=40),
    st.integers(0, 2**32),
)
def test_each_tracks_events_arrive_in_order_and_within_the_bound(
    events: list[tuple[int, float]], script: list[str], seed: int
) -> None:
    """Every post verifies; copies have one id; no event is posted after its track's next, or after its bound."""
    receiver = Receiver(script)
    sink = WebhookSink("https://example.org/", signing_secret=SECRET, timeout=SLOW, retry_for=RETRY_FOR)
    sink._random = random.Random(seed).random
    record = SinkRecord(sink)

    async def main() -> None:
        async with Supervisor("app") as app:
            ref = await app.start(SinkActor, record, sink._random, name="webhook", mailbox=lambda: record.queue)
            for number, (track, gap) in enumerate(events):
                await trio.sleep(gap)
                ref.tell(event_of(number, track))
            while (counts := ref.statistics()).queued or counts.in_hand:
                await trio.sleep(1)

    with patch.object(WebhookSink, "_transport", return_value=httpx.MockTransport(receiver.answer)):
        run_virtual(main)

    sent = [
        ResultEvent(ResultType.ALERT, "alice", f"TR_{track}", "", number) for number, (track, _) in enumerate(events)
    ]
    number_of = {event.json().encode(): event.timestamp_ms for event in sent}
    times, ids = defaultdict[int, list[float]](list), defaultdict[int, set[str]](set)
    newest = dict[str, int]()
    for at, webhook_id, body in receiver.posts:
        number = number_of[body]
        times[number].append(at)
        ids[number].add(webhook_id)
        assert newest.get(sent[number].track_id, -1) <= number
        newest[sent[number].track_id] = number
    assert len(set[str]().union(*ids.values())) == len(times) == len(events)
    assert all(len(own) == 1 for own in ids.values())
    assert all(own[-1] - own[0] <= min(RETRY_FOR, DELIVERY_TIMEOUT) for own in times.values())
    counts = record.counts
    assert counts.delivered + counts.timed_out + counts.failed.total() == len(events)
    assert {number_of[body] for body in receiver.taken} <= set(times)
    assert len({number_of[body] for body in receiver.taken}) >= counts.delivered
