"""`ds-actors scan` and `demo --video` on files with several video streams."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import scan_clips as clips
from scan_command import run_scan, scan_json
from scan_streams import StreamPlan, clean, multiplex, painted, write_program, write_streams

from ds_actors.cli._demo.player import Player
from ds_actors.cli._scan.run import MOST_STREAMS
from ds_actors.cli._video_streams import VideoStreamName, in_playing_order, listed_videos
from ds_actors.sandbox import marker_share


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_a_fake_in_the_second_stream_is_found(tmp_path: Path, name: str) -> None:
    """The stream that players show is the second one, flagged as default; each stream has its own verdict."""
    path = write_streams(tmp_path / name, StreamPlan(clean), StreamPlan(painted, default=True))
    done = scan_json("--fail-on", "alert", path)
    assert [(row["stream"]["index"], row["level"], row["outcome"]) for row in done.rows] == [
        (0, "clear", "complete"),
        (1, "alert", "complete"),
    ]
    assert [row["stream"]["default"] for row in done.rows] == [False, True]
    assert done.rows[0]["stream"] == {"index": 0, "codec": "h264", "width": 128, "height": 96, "default": False}
    assert {row["video_streams"] for row in done.rows} == {2}
    assert (done.code, done.err) == (1, "")


def test_the_table_and_the_report_name_each_stream(tmp_path: Path) -> None:
    """Where a file has several; a file with one is named by its path alone."""
    path = write_streams(tmp_path / "two.mkv", StreamPlan(clean), StreamPlan(painted, default=True))
    single = clips.make(tmp_path / "single.mp4", clips.steady(1))
    page = tmp_path / "r.html"
    done = run_scan("--report", page, path, single)
    text = page.read_text("utf-8")
    for line in ("stream 0 (h264, 128 x 96): clear", "stream 1 (h264, 128 x 96, default): alert"):
        assert f"{path}, {line}\n" in done.out
    assert f"{single}: clear\n" in done.out
    for heading in (f"{path}, stream 0 (h264, 128 x 96)", f"{path}, stream 1 (h264, 128 x 96, default)", str(single)):
        assert f"<h2>{heading}</h2>" in text


def test_every_program_of_a_transport_stream_is_scanned(tmp_path: Path) -> None:
    """A multiplex of two programs has a clean one and a fake one."""
    first = write_program(tmp_path / "1.ts", 1, clean)
    second = write_program(tmp_path / "2.ts", 2, painted)
    done = scan_json(multiplex(tmp_path / "both.ts", {1: first, 2: second}))
    assert [row["level"] for row in done.rows] == ["clear", "alert"]
    assert [row["due"] for row in done.rows] == [2, 2]


def test_one_picture_first_is_no_cover_unless_it_is_flagged(tmp_path: Path) -> None:
    """A stream of one MJPEG picture is judged as one sample, and the stream after it too."""
    path = write_streams(tmp_path / "a.mkv", StreamPlan(clean, (0,), "mjpeg"), StreamPlan(painted))
    done = scan_json(path)
    assert [(row["stream"]["codec"], row["level"], row["due"]) for row in done.rows] == [
        ("mjpeg", "clear", 1),
        ("h264", "alert", 2),
    ]


def test_a_cover_is_not_scanned_and_is_named(tmp_path: Path) -> None:
    """An attached picture is no part of the video, and the result says that it is there."""
    path = write_streams(tmp_path / "a.mp4", StreamPlan(clean), StreamPlan(painted, (0,), "mjpeg", cover=True))
    done = scan_json(path)
    (row,) = done.rows
    assert (row["level"], row["auxiliary"], done.code) == ("clear", [1], 0)
    assert "complete; 1 auxiliary picture not scanned" in run_scan(path).out


def test_an_undecodable_stream_is_reported_beside_a_playable_one(tmp_path: Path) -> None:
    """The codec of the first is unknown: exit 3, one line that names the stream, and the second is judged."""
    path = write_streams(tmp_path / "a.mkv", StreamPlan(clean, codec="mpeg4"), StreamPlan(painted))
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/ASP", b"V_NONE_SUCH/ASP"))
    done = scan_json(path)
    assert [(row["outcome"], row["level"]) for row in done.rows] == [("bad_input", "unknown"), ("complete", "alert")]
    assert done.code == 3
    assert f"{path}, stream 0 (unknown): no decoder for its codec" in done.err
    assert len(done.err.splitlines()) == 1


def test_streams_beyond_the_limit_are_reported_and_not_scanned(tmp_path: Path) -> None:
    """Each takes a pass over the file, so there is a limit; what is beyond it has a line and exit code 3."""
    path = write_streams(tmp_path / "a.mkv", *[StreamPlan(clean, (0,), "mpeg4")] * (MOST_STREAMS + 1))
    done = scan_json(path)
    assert [row["outcome"] for row in done.rows] == ["complete"] * MOST_STREAMS + ["not_scanned"]
    assert done.code == 3
    assert f"the scan covers the first {MOST_STREAMS} video streams of a file" in done.err


def test_a_stream_that_is_announced_late_is_reported(tmp_path: Path) -> None:
    """FFmpeg looks for streams in the first 5 MB only; one that is announced later has a line and exit code 3."""
    first = write_program(tmp_path / "1.ts", 1, clips.noise)
    late = write_program(tmp_path / "2.ts", 2, painted)
    joined = tmp_path / "joined.ts"
    before = first.read_bytes()
    copies = 6_000_000 // len(before) + 1
    joined.write_bytes(before * copies + late.read_bytes() + before * copies)
    done = scan_json(joined)
    assert [row["outcome"] for row in done.rows] == ["complete", "not_scanned"]
    assert done.code == 3
    assert "announces this stream only after its beginning" in done.err


def test_the_demo_plays_the_stream_that_is_flagged_as_default(tmp_path: Path) -> None:
    """As a player does."""
    path = write_streams(tmp_path / "a.mkv", StreamPlan(clean), StreamPlan(painted, default=True))
    with closing(Player(path)) as player:
        assert marker_share(player.at(0)) > 0.1


def test_the_demo_plays_the_stream_that_it_can_decode(tmp_path: Path) -> None:
    """An undecodable stream before it ends no demo."""
    path = write_streams(tmp_path / "a.mkv", StreamPlan(clean, codec="mpeg4", default=True), StreamPlan(painted))
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/ASP", b"V_NONE_SUCH/ASP"))
    with closing(Player(path)) as player:
        assert marker_share(player.at(0)) > 0.1


def test_a_player_prefers_decodable_then_default_then_first() -> None:
    """The order in which streams are tried."""
    plain = VideoStreamName(0, "h264", 2, 2)
    broken = VideoStreamName(1, "unknown", 0, 0, flagged_default=True, decodable=False)
    flagged = VideoStreamName(2, "h264", 2, 2, flagged_default=True)
    assert in_playing_order([plain, broken, flagged]) == [flagged, plain, broken]


def test_only_lines_of_video_streams_count() -> None:
    """Metadata and other kinds of streams do not; indexes and PIDs are told apart."""
    description = (
        "Input #0, mpegts, from '':\n"
        "    title           : \n"
        "                    :   Stream #0:9: Video: h264\n"
        "  Stream #0:0[0x100]: Video: h264 (High), 128x96\n"
        "  Stream #0:1[0x101](eng): Audio: aac\n"
        "  Stream #0:12(und): Video: hevc\n"
    )
    assert listed_videos(description) == {0, 12}
