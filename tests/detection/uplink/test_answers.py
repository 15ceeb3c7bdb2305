"""What became of every sample that was sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.uplink.answers import OUTSTANDING, UNANSWERED_AFTER, AnswerAccount, Settled


def send(account: AnswerAccount, track: str, now: float) -> Settled | None:
    account.sending(track)
    return account.sample_sent(now)


def adds_up(account: AnswerAccount) -> bool:
    settled = account.answered + account.unanswered + account.lost
    return account.sent == settled + len(account._outstanding) == settled + account.outstanding


events = st.lists(
    st.tuples(
        st.sampled_from(["sending", "sent", "answer", "expire", "ended"]), st.sampled_from("AB"), st.integers(0, 20)
    )
)


@given(events=events)
def test_every_sent_sample_is_answered_unanswered_lost_or_outstanding(events: list[tuple[str, str, int]]) -> None:
    """At every moment, each exactly once, and never two of them."""
    account, now, settled = AnswerAccount(), 0.0, list[int]()
    for event, track, seconds in events:
        now += seconds
        found: list[Settled | None] = []
        match event:
            case "sending":
                account.sending(track)
            case "sent" if account._sending is not None:
                found = [account.sample_sent(now)]
            case "answer":
                found = [account.answer(track, "clear", now)]
            case "expire":
                found = [*account.expire(now)]
            case _:
                found = [*account.connection_ended()]
        settled += [sample.number for sample in found if sample is not None]
        assert adds_up(account)
        assert len(settled) == len(set(settled)) == account.sent - account.outstanding
        assert all(1 <= number <= account.sent for number in settled)


def test_an_answer_belongs_to_the_oldest_sample_of_its_track() -> None:
    """Its latency is known with one sample of the track outstanding, the round trip with one at all."""
    account = AnswerAccount()
    send(account, "A", 1.0)
    assert account.answer("A", "alert", 1.25) == Settled(1, "answered", "alert", 0.25)
    assert account.round_trip == 0.25
    send(account, "A", 2.0)
    send(account, "A", 2.5)
    send(account, "B", 2.75)
    assert account.answer("A", "clear", 3.0) == Settled(2, "answered", "clear", None)
    assert account.answer("A", "clear", 3.5) == Settled(3, "answered", "clear", 1.0)
    assert account.round_trip == 0.25
    assert account.answer("B", "error", 3.75) == Settled(4, "answered", "error", 1.0)
    assert account.round_trip == 1.0


def test_the_round_trip_is_not_measured_while_another_sample_is_being_sent() -> None:
    """The link may be carrying it just then; of its own track the answer's latency is known all the same."""
    account = AnswerAccount()
    send(account, "A", 1.0)
    account.sending("B")
    assert account.answer("A", "clear", 1.5) == Settled(1, "answered", "clear", 0.5)
    assert account.round_trip is None


def test_an_answer_to_nothing_settles_nothing() -> None:
    """A second answer to one sample, or one about a track that sent nothing."""
    account = AnswerAccount()
    send(account, "A", 1.0)
    account.answer("A", "clear", 1.2)
    assert account.answer("A", "clear", 1.3) is None
    assert account.answer("B", "clear", 1.4) is None
    assert (account.sent, account.answered) == (1, 1)


def test_an_answer_may_arrive_before_the_send_returns() -> None:
    """It counts once the sample counts as sent; a send that fails is neither."""
    account = AnswerAccount()
    account.sending("A")
    assert account.answer("A", "alert", 1.0) is None
    assert (account.sent, account.answered) == (0, 0)
    assert account.sample_sent(1.1) == Settled(1, "answered", "alert", 0.0)
    account.sending("A")
    account.answer("A", "alert", 2.0)
    assert account.connection_ended() == []
    assert (account.sent, account.answered, account.lost) == (1, 1, 0)


def test_of_the_answers_before_the_send_returns_the_first_of_its_track_counts() -> None:
    """One about another track is about nothing that was sent."""
    account = AnswerAccount()
    account.sending("A")
    assert account.answer("B", "suspicious", 0.1) is None
    assert account.sample_sent(0.2) is None
    account.sending("B")
    assert account.answer("B", "alert", 0.3) is None
    assert account.answer("B", "clear", 0.4) is None
    assert account.sample_sent(0.5) == Settled(2, "answered", "alert", 0.0)


def test_a_sample_counts_as_unanswered_after_half_a_minute() -> None:
    """A later answer belongs to the next sample."""
    account = AnswerAccount()
    send(account, "A", 0.0)
    send(account, "A", 10.0)
    assert account.expire(UNANSWERED_AFTER - 0.1) == []
    assert account.expire(UNANSWERED_AFTER) == [Settled(1, "unanswered")]
    assert account.answer("A", "clear", 31.0) == Settled(2, "answered", "clear", 21.0)
    assert (account.answered, account.unanswered) == (1, 1)


def test_what_is_outstanding_is_lost_with_the_connection() -> None:
    """The next connection owes nothing."""
    account = AnswerAccount()
    send(account, "A", 0.0)
    send(account, "B", 0.0)
    account.answer("B", "clear", 0.5)
    assert account.connection_ended() == [Settled(1, "lost")]
    assert account.answer("A", "clear", 1.0) is None
    assert (account.answered, account.lost, account.outstanding) == (1, 1, 0)


def test_the_memory_is_bounded() -> None:
    """The oldest of too many counts as unanswered."""
    account = AnswerAccount()
    for number in range(OUTSTANDING + 10):
        send(account, str(number), 0.0)
        account.expire(0.0)
    assert (account.outstanding, account.unanswered) == (OUTSTANDING, 10)
