"""Videos that are damaged on their way: what can be decoded is scanned, and what cannot is counted."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import av
import av.container
import pytest
import scan_clips as clips
from av.error import InvalidDataError
from hypothesis import given
from hypothesis import strategies as st
from priorities import usual_priority
from scan_clips import TICKS, Picture
from scan_command import run_scan, scan_json
from scan_streams import painted

from ds_actors.cli._scan.damage import MOST_TIMES, DamageLog
from ds_actors.cli._scan.decode import Video
from ds_actors.cli._scan.packets import MOST_ERRORS, read_packets
from ds_actors.cli._scan.result import ExitCode, ScanOutcome, StreamScan, exit_code
from ds_actors.cli._scan.segments import exact

SECONDS = 6
DAMAGED = 20
"""The packet that is overwritten, the one of second 2."""
CODECS = {
    "mjpeg.mkv": "mjpeg",
    "vp8.webm": "libvpx",
    "hevc.mp4": "libx265",
    "mpeg4.avi": "mpeg4",
    "h264.mp4": "libx264",
    "av1.mkv": "libsvtav1",
}


def fake_at_the_end(milliseconds: int) -> Picture:
    """Return noise, and the patch in the last second."""
    return painted(milliseconds) if milliseconds >= (SECONDS - 1) * 1_000 else clips.noise(milliseconds)


def write_damaged(path: Path, codec: str, picture: Callable[[int], Picture], *damaged: int) -> Path:
    """Write a video with a key frame a second, and overwrite some of its packets."""
    with usual_priority(), av.open(str(path), "w") as container:
        options = {"x265-params": "log-level=none:keyint=10"} if codec == "libx265" else {}
        stream: Any = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height = 128, 96
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base, stream.codec_context.gop_size = TICKS, 10
        for time in clips.steady(SECONDS):
            frame = av.VideoFrame.from_ndarray(picture(time), format="rgb24")
            frame.pts, frame.time_base = time, TICKS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path)) as written:
        places = [(packet.pos or 0, packet.size) for packet in written.demux() if packet.size]
    data = bytearray(path.read_bytes())
    for number in damaged:
        place, size = places[number]
        head = 12 if path.suffix in (".mkv", ".webm") else 0  # Matroska's place is that of the block around the packet
        data[place + head : place + size] = b"\xff" * (size - head)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", CODECS)
def test_a_damaged_packet_hides_nothing_behind_it(tmp_path: Path, name: str) -> None:
    """A fake three seconds later is found; the damage is in JSON and on stderr, with an exit code of its own."""
    path = write_damaged(tmp_path / name, CODECS[name], fake_at_the_end, DAMAGED)
    done = scan_json(path)
    (row,) = done.rows
    assert (row["level"], row["outcome"], row["truncated"]) == ("alert", "damaged", False)
    assert row["damage"]["places"] == 1
    assert row["damage"]["at"] == [pytest.approx(2.0, abs=0.3)]
    assert row["due"] == row["sent"] == row["answered"] == SECONDS
    assert done.code == 6
    assert done.err == f"ds-actors scan: {path}: damaged at {row['damage']['at'][0]:.1f} s\n"
    assert scan_json("--fail-on", "alert", path).code == 1


def test_the_table_and_the_report_say_where(tmp_path: Path) -> None:
    """With the places' times."""
    path = write_damaged(tmp_path / "a.mkv", "mjpeg", clips.noise, 20, 21, 40)
    page = tmp_path / "r.html"
    done = run_scan("--report", page, path)
    assert "6 answered; damaged; damaged at 2.0 s, 4.0 s\n" in done.out
    assert "<th>Damage</th><td>damaged at 2.0 s, 4.0 s</td>" in page.read_text("utf-8")


def test_damage_up_to_the_end_is_truncation(tmp_path: Path) -> None:
    """Nothing more can be decoded: that is no damage on the way."""
    path = write_damaged(tmp_path / "a.mkv", "mjpeg", clips.noise, 30, *range(50, 60))
    (row,) = scan_json(path).rows
    assert (row["outcome"], row["damage"]["at"]) == ("truncated", [3.0])
    assert row["problem"] == "it could be decoded up to 4.9 s only: its data is damaged; damaged at 3.0 s"


def test_a_damaged_beginning_is_damage(tmp_path: Path) -> None:
    """A key frame that cannot be decoded before any other."""
    (row,) = scan_json(write_damaged(tmp_path / "a.mkv", "mjpeg", clips.noise, 0, 1)).rows
    assert (row["outcome"], row["damage"]) == ("damaged", {"failures": 2, "places": 1, "at": [0.0]})


def test_a_recording_that_begins_between_two_key_frames_is_not_damaged(tmp_path: Path) -> None:
    """What refers to pictures before its beginning cannot be decoded, and was never meant to be."""
    whole = clips.make(tmp_path / "whole.ts", clips.steady(60))
    data = whole.read_bytes()
    path = tmp_path / "late.ts"
    path.write_bytes(data[len(data) // 188 // 4 * 188 :])
    video = Video(path, exact(1.0))
    video.open()
    while not video.ended:
        video.step()
    video.close()
    assert video.damage.places == 0
    assert video.truncated == ""


def test_a_picture_that_cannot_be_sent_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample is made of the next one that can."""
    from ds_actors.detection.tracks import encoding

    calls: list[int] = []

    def refuses_once(*arguments: Any, **options: Any) -> bytes:
        calls.append(1)
        if len(calls) == 2:
            raise encoding.SampleTooLargeError("too large")
        return encoding.encode_jpeg(*arguments, **options)

    monkeypatch.setattr("ds_actors.cli._scan.decode.encode_jpeg", refuses_once)
    (row,) = scan_json(clips.make(tmp_path / "a.mkv", clips.steady(3))).rows
    assert (row["outcome"], row["damage"], row["answered"]) == ("damaged", {"failures": 1, "places": 1, "at": [1.0]}, 3)


class Container:
    """Stands for a container whose reading fails where it is told to."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def demux(self) -> Iterator[object]:
        while self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            yield answer


def read(*answers: object) -> list[object]:
    return list(read_packets(cast("av.container.InputContainer", Container(*answers))))


def test_reading_goes_on_behind_an_error() -> None:
    """The error stands in its place."""
    error = InvalidDataError(1, "no")
    assert read("a", error, "b") == ["a", error, "b"]


def test_reading_that_only_fails_ends() -> None:
    """Errors without a packet between them are bounded."""
    errors = [InvalidDataError(number, "no") for number in range(2 * MOST_ERRORS)]
    assert read("a", *errors, "b") == ["a", *errors[:MOST_ERRORS]]


@given(st.lists(st.booleans()))
def test_failures_one_after_another_are_one_place(good: list[bool]) -> None:
    """Each run of failures with something good behind it is a place; the last run is the end."""
    log = DamageLog()
    for second, well in enumerate(good):
        if well:
            log.succeed()
        else:
            log.fail(float(second), "no")
    text = "".join("y" if well else "n" for well in good)
    runs = [run for run in text.split("y")[:-1] if run]
    assert (log.places, log.failures) == (len(runs), sum(map(len, runs)))
    assert len(log.times) == min(len(runs), MOST_TIMES)
    assert log.at_end is text.endswith("n")
    assert bool(str(log)) is bool(runs)


def test_many_places_are_one_short_line() -> None:
    """Three times, and how many more."""
    log = DamageLog()
    for second in range(30):
        log.fail(float(second), "no")
        log.succeed()
    assert str(log) == "damaged at 0.0 s, 1.0 s, 2.0 s and 27 more places"
    assert len(log.as_dict()["at"]) == MOST_TIMES


def test_damage_has_the_last_exit_code() -> None:
    """After truncated and partial."""
    log = DamageLog()
    log.fail(1.0, "no")
    log.succeed()
    damaged = StreamScan("a.mp4", 1.0, ScanOutcome.DAMAGED, damage=log)
    assert exit_code([damaged], fail_on=None) is ExitCode.DAMAGED
    assert exit_code([damaged, StreamScan("b.mp4", 1.0, ScanOutcome.PARTIAL)], fail_on=None) is ExitCode.PARTIAL
