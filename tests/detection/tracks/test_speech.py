"""Chunks of speech: what is collected, padded or left, and when a microphone is listened to again."""

from __future__ import annotations

import math

import numpy as np
import pytest
import trio
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import Promise
from ds_actors.detection.tracks.listening import listen
from ds_actors.detection.tracks.speech import AudioPace, Chunk, Chunker, NoSpeech, loudness

BLOCK = 1_600
FLOOR = 32_768 * 10 ** (-50 / 20)


def tone(amplitude: int, samples: int = BLOCK) -> bytes:
    """A square wave: its RMS is its amplitude."""
    return np.resize(np.array([amplitude, -amplitude], "<i2"), samples).tobytes()


SPEECH, QUIET = tone(3_000), tone(10)


def hear(blocks: list[bytes]) -> tuple[Chunk | NoSpeech | None, int]:
    """Feed blocks in real time; return the outcome and how many blocks it took."""
    chunker = Chunker(0.0)
    for count, block in enumerate(blocks, 1):
        outcome = chunker.feed(block, count * 0.1)
        if outcome is not None:
            return outcome, count
    return None, len(blocks)


@define(eq=False)
class Tape:
    """A source that plays blocks in virtual time, then stalls forever, ends or raises."""

    blocks: list[bytes]
    then: str = "stall"
    close_takes: float = 0.0
    closed: list[float] = field(factory=list[float])

    async def read(self) -> bytes:
        if self.blocks:
            await trio.sleep(0.1)
            return self.blocks.pop(0)
        if self.then == "stall":
            await trio.sleep_forever()
        if self.then == "raise":
            raise OSError("unplugged")
        return b""

    async def aclose(self) -> None:
        self.closed.append(trio.current_time())
        await trio.sleep(self.close_takes)


def test_loudness_is_rms_relative_to_full_scale() -> None:
    """A square wave of full scale is 0 dBFS, half of it 6.02 below; zeros and nothing are minus infinity."""
    assert loudness(b"\x00\x80" * BLOCK) == 0.0
    assert loudness(tone(-32_768 + 1)) == pytest.approx(0, abs=0.001)
    assert loudness(tone(16_384)) == pytest.approx(-6.0206, abs=0.001)
    assert loudness(bytes(3_200)) == loudness(b"") == -math.inf


def test_one_loud_sample_is_no_loud_block() -> None:
    """A click has a high peak and next to no power."""
    click = np.zeros(BLOCK, "<i2")
    click[7] = 32_767
    assert loudness(click.tobytes()) == pytest.approx(-10 * math.log10(BLOCK), abs=0.001)


def test_a_second_of_silence_ends_speech_also_when_it_comes_all_at_once() -> None:
    """Blocks that waited while the program was held up: their sound counts, not when it arrived."""
    chunker = Chunker(0.0)
    outcomes = [chunker.feed(block, 5.0) for block in [SPEECH] * 12 + [QUIET] * 10]
    assert outcomes[:-1] == [None] * 21
    chunk = outcomes[-1]
    assert isinstance(chunk, Chunk)
    assert chunk.speech_seconds == pytest.approx(1.2)


def test_half_a_sample_is_refused() -> None:
    """PCM that was cut between bytes would be noise from there on."""
    with pytest.raises(ValueError, match="3 bytes"):
        loudness(b"123")


def test_the_floor_is_fifty_decibels_below_full_scale() -> None:
    """An amplitude of 103 is under it, 104 is over it."""
    assert 103 < FLOOR < 104
    assert hear([tone(103)] * 100) == (NoSpeech("silence"), 100)
    assert isinstance(hear([tone(104)] * 30)[0], Chunk)


def test_three_seconds_are_collected_from_the_first_block_over_the_floor() -> None:
    """The quiet before is left, what comes after is kept as it was, to the sample."""
    blocks = [tone(1_000 + k) for k in range(31)]
    outcome, count = hear([QUIET] * 7 + blocks)
    assert isinstance(outcome, Chunk)
    assert (outcome.data, count) == (b"".join(blocks[:30]), 37)
    assert outcome.speech_seconds == pytest.approx(3.0)
    assert outcome.captured_at == pytest.approx(3.7)


def test_a_pause_shorter_than_a_second_does_not_end_speech() -> None:
    """Nine quiet blocks are part of what was said."""
    blocks = [SPEECH] * 5 + [QUIET] * 9 + [SPEECH] * 16
    outcome, count = hear(blocks)
    assert isinstance(outcome, Chunk)
    assert (outcome.data, count) == (b"".join(blocks), 30)


def test_speech_that_ends_is_padded_with_zeros() -> None:
    """A second under the floor ends it: what was recorded, then zeros up to 48,000 samples."""
    outcome, count = hear([SPEECH] * 12 + [QUIET] * 30)
    assert isinstance(outcome, Chunk)
    recorded = SPEECH * 12 + QUIET * 10
    assert (outcome.data, count) == (recorded + bytes(96_000 - len(recorded)), 22)
    assert outcome.speech_seconds == pytest.approx(1.2)


@pytest.mark.parametrize(("blocks", "enough"), [(9, False), (10, True)])
def test_a_second_must_have_been_heard(blocks: int, enough: bool) -> None:
    """0.9 s of speech are not sent, 1.0 s are; the silence after it does not count."""
    outcome, _ = hear([SPEECH] * blocks + [QUIET] * 10)
    assert isinstance(outcome, Chunk) if enough else outcome == NoSpeech("too_short")


@pytest.mark.parametrize(("blocks", "enough"), [(9, False), (10, True)])
def test_the_end_of_the_sound_ends_speech(blocks: int, enough: bool) -> None:
    """The last chunk is flushed like any other, not thrown away."""
    outcome, _ = hear([SPEECH] * blocks + [b""])
    assert isinstance(outcome, Chunk) if enough else outcome == NoSpeech("too_short")


def test_ten_seconds_without_speech_are_silence() -> None:
    """A hundred quiet blocks; speech that begins with the last of them is still heard out."""
    assert hear([QUIET] * 200) == (NoSpeech("silence"), 100)
    outcome, count = hear([QUIET] * 99 + [SPEECH] * 30)
    assert isinstance(outcome, Chunk)
    assert count == 129


def test_blocks_that_come_too_slowly_end_speech_by_the_clock() -> None:
    """A second after the last loud one, however little sound has come since; the chunk is as old as its last block."""
    chunker = Chunker(0.0)
    for now in range(1, 11):
        assert chunker.feed(SPEECH, now / 10) is None
    assert chunker.deadline == 2.0
    assert chunker.feed(QUIET, 1.75) is None
    outcome = chunker.feed(QUIET, 2.0)
    assert isinstance(outcome, Chunk)
    assert (outcome.speech_seconds, outcome.captured_at) == (1.0, 2.0)
    assert outcome.data == (SPEECH * 10 + QUIET * 2).ljust(96_000, b"\0")


def test_sound_that_comes_at_once_ends_speech_by_its_own_length() -> None:
    """As from a file: a second of quiet, though no time has passed."""
    chunker = Chunker(0.0)
    assert [chunker.feed(block, 0.0) for block in [SPEECH] * 12 + [QUIET] * 9] == [None] * 21
    assert isinstance(chunker.feed(QUIET, 0.0), Chunk)


def test_before_speech_a_recording_may_last_ten_seconds() -> None:
    """By its sound, or by the clock where none comes."""
    assert Chunker(5.0).deadline == 15.0
    assert Chunker(0.0).finish() == NoSpeech("silence")


def test_a_block_longer_than_the_rest_of_a_chunk_is_cut() -> None:
    """What is silent beyond it does not count against the speech."""
    chunker = Chunker(0.0)
    assert chunker.feed(tone(3_000, 40_000), 2.5) is None
    outcome = chunker.feed(tone(10, 12_000), 3.25)
    assert isinstance(outcome, Chunk)
    assert (len(outcome.data), outcome.speech_seconds) == (96_000, 2.5)


def test_a_chunk_does_not_show_its_sound() -> None:
    """What was said is in no log."""
    assert "data" not in repr(hear([SPEECH] * 30)[0])
    assert "data" not in repr(Chunker(0.0))


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 4_000)), max_size=200))
def test_whatever_comes_a_chunk_is_what_was_recorded_and_then_zeros(plan: list[tuple[bool, int]]) -> None:
    """Law, for blocks of any size: 96,000 bytes, from the first loud block on, at least a second of it speech."""
    blocks = [tone(3_000 if loud else 10, samples) for loud, samples in plan]
    chunker, outcome, used, clock = Chunker(0.0), None, 0, 0.0
    for block in [*blocks, b""]:
        used, clock = used + 1, clock + len(block) / 32_000
        outcome = chunker.feed(block, clock)
        if outcome is not None:
            break
    assert outcome is not None
    if not isinstance(outcome, Chunk):
        return
    first = next(index for index, (loud, _) in enumerate(plan) if loud)
    recorded = b"".join(blocks[first:used])[:96_000]
    assert len(outcome.data) == 96_000
    assert outcome.data == recorded + bytes(96_000 - len(recorded))
    assert 1.0 <= outcome.speech_seconds <= 3.0


@given(st.floats(3, 600), st.floats(0.01, 30), st.floats(1, 100), st.floats(0, 15))
def test_escalation_never_lengthens_the_wait(interval: float, normal: float, ratio: float, lasted: float) -> None:
    """Law: elevated is due no later than clear, no sooner than 3 s after opening, never before closing."""
    pace = AudioPace(interval, normal, normal * ratio)
    chunk = Chunk(b"", 3.0, 0.0)
    clear, alert = (
        pace.next_look(chunk, level, opened=100.0, closed=100 + lasted) for level in (Level.CLEAR, Level.ALERT)
    )
    assert max(103.0, 100 + lasted) <= alert <= clear


@pytest.mark.parametrize(
    ("level", "wait"),
    [(Level.UNKNOWN, 60), (Level.CLEAR, 60), (Level.SUSPICIOUS, 12), (Level.ALERT, 12)],
)
def test_a_microphone_is_listened_to_every_interval(level: Level, wait: float) -> None:
    """60 s from opening to opening; while suspicious or alert times normal / burst."""
    assert AudioPace().next_look(Chunk(b"", 3.0, 0.0), level, opened=10.0, closed=13.0) == 10 + wait


def test_elevated_looks_are_three_seconds_apart_at_least() -> None:
    """A chunk is three seconds long: sooner there is no new one."""
    pace = AudioPace(interval=10.0, normal_fps=0.1, burst_fps=30.0)
    assert pace.next_look(Chunk(b"", 3.0, 0.0), Level.ALERT, opened=10.0, closed=12.0) == 13.0


@pytest.mark.parametrize("reason", ["silence", "too_short"])
def test_without_speech_the_next_look_is_five_seconds_after_closing(reason: str) -> None:
    """At any level."""
    nothing = NoSpeech(reason)  # type: ignore[arg-type]
    for level in Level:
        assert AudioPace().next_look(nothing, level, opened=0.0, closed=10.0) == 15.0


@pytest.mark.parametrize(
    ("pace", "promise"),
    [
        (AudioPace(), Promise(1 / 12, 1 / 60, 12.0, 60.0)),
        (AudioPace(10.0, 0.1, 30.0), Promise(1 / 3, 1 / 10, 3.0, 10.0)),
        (AudioPace(2.0, 1.0, 1.0), Promise(1 / 3, 1 / 3, 3.0, 3.0)),
    ],
)
def test_a_pace_promises_its_two_intervals(pace: AudioPace, promise: Promise) -> None:
    """Both are at least a chunk long."""
    assert pace.promise == promise


@pytest.mark.parametrize(
    ("figures", "said"),
    [((0.0, 0.2, 1.0), "interval"), ((60.0, math.nan, 1.0), "normal_fps"), ((60.0, 2.0, 1.0), "must not be below")],
)
def test_figures_that_make_no_pace_are_refused(figures: tuple[float, float, float], said: str) -> None:
    """The error names the figure."""
    with pytest.raises(ValueError, match=said):
        AudioPace(*figures)


async def test_listening_reads_a_chunk_and_closes_the_source(autojump_clock: trio.testing.MockClock) -> None:
    """Nothing is read beyond the chunk, and its age counts from its last sample."""
    began = trio.current_time()
    tape = Tape([QUIET] * 5 + [SPEECH] * 40)
    outcome = await listen(tape)
    assert isinstance(outcome, Chunk)
    assert outcome.captured_at - began == pytest.approx(3.5)
    assert (len(tape.blocks), len(tape.closed)) == (10, 1)


async def test_a_source_that_gives_nothing_is_left_after_ten_seconds(autojump_clock: trio.testing.MockClock) -> None:
    """A muted microphone may send no blocks at all."""
    began = trio.current_time()
    tape = Tape([])
    assert await listen(tape) == NoSpeech("silence")
    assert tape.closed == [pytest.approx(began + 10)]


async def test_a_source_that_stalls_in_speech_ends_it_after_a_second(autojump_clock: trio.testing.MockClock) -> None:
    """The chunk is padded, and as old as its last sample, not as the end of the wait."""
    began = trio.current_time()
    outcome = await listen(Tape([SPEECH] * 15))
    assert isinstance(outcome, Chunk)
    assert outcome.speech_seconds == pytest.approx(1.5)
    assert outcome.captured_at - began == pytest.approx(1.5)
    assert trio.current_time() - began == pytest.approx(2.5)


async def test_the_end_of_the_source_is_heard(autojump_clock: trio.testing.MockClock) -> None:
    """An ended track's last words are sent at once."""
    began = trio.current_time()
    assert isinstance(await listen(Tape([SPEECH] * 15, then="end")), Chunk)
    assert trio.current_time() - began == pytest.approx(1.5)


async def test_what_the_source_raises_comes_out_after_closing(autojump_clock: trio.testing.MockClock) -> None:
    """A broken source is its track's crash."""
    tape = Tape([SPEECH], then="raise")
    with pytest.raises(OSError, match="unplugged"):
        await listen(tape)
    assert len(tape.closed) == 1


async def test_a_cancelled_look_closes_its_source_within_half_a_second(autojump_clock: trio.testing.MockClock) -> None:
    """Closing is shielded, and bounded when the source hangs."""
    began = trio.current_time()
    tape = Tape([QUIET] * 50, close_takes=math.inf)
    with trio.move_on_after(1) as scope:
        await listen(tape)
    assert scope.cancelled_caught
    assert len(tape.closed) == 1
    assert trio.current_time() - began == pytest.approx(1.5)
