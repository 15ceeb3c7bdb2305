"""`ds-actors scan`, with real clips and the real sandbox over a socket."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import scan_clips as clips
import trio
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from terminal import run_on_a_terminal
from waiting import until_in_trio

from ds_actors.cli import app
from ds_actors.cli._scan.console import show
from ds_actors.cli._scan.result import ScanOutcome, StreamScan
from ds_actors.cli._scan.run import ScanRun
from ds_actors.detection import Dataspike, Sample
from ds_actors.detection.events import ResultType
from ds_actors.sandbox import Sandbox, open_sandbox
from ds_actors.sandbox.faults import Slow

COMMAND = [sys.executable, "-m", "ds_actors", "scan"]
HELLO = (
    Path(os.environ.get("FORENSICS_SAMPLES", "/usr/share/forensics-samples"))
    / "original-files"
    / "movie2"
    / "movie-hello.mp4"
)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATASPIKE_API_KEY", "DATASPIKE_WS_URL", "DATASPIKE_CONFIG"):
        monkeypatch.delenv(name, raising=False)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            app(["scan", *map(str, arguments)])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return command


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_the_patch_is_found_where_it_is(tmp_path: Path, run: Run) -> None:
    """Three segments: clear, alert for the two tampered seconds, clear."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(6), clips.tampered)
    code, out, err = run("--sandbox", "--json", path)
    (row,) = rows(out)
    assert (code, err, row["outcome"], row["level"]) == (0, "", "complete", "alert")
    assert [(segment["from"], segment["level"], segment["samples"]) for segment in row["segments"]] == [
        (0.0, "clear", 2),
        (2.0, "alert", 2),
        (4.0, "clear", 2),
    ]
    assert row["due"] == row["sent"] == row["answered"] == 6


def test_a_file_that_shows_nothing_at_first_is_judged_from_its_beginning(tmp_path: Path, run: Run) -> None:
    """The first picture, a little later than 0, is the sample that is due at 0: no gap before it in JSON or table."""
    path = clips.make(tmp_path / "a.mkv", [40, 140, 240])
    (row,) = rows(run("--sandbox", "--json", path)[1])
    assert [(segment["from"], segment["to"]) for segment in row["segments"]] == [(0.0, 0.24)]
    assert "1 sample due, 1 sent, 1 answered; complete" in run("--sandbox", path)[1]


def test_fail_on_sets_the_exit_code(tmp_path: Path, run: Run) -> None:
    """1 when the level is reached, 0 when it is not."""
    bad = clips.make(tmp_path / "bad.mp4", clips.steady(4), clips.tampered)
    good = clips.make(tmp_path / "good.mp4", clips.steady(2))
    assert run("--sandbox", "--fail-on", "suspicious", good, bad)[0] == 1
    assert run("--sandbox", "--fail-on", "alert", good)[0] == 0


def test_bad_input_has_one_line_each_and_the_others_are_scanned(tmp_path: Path, run: Run) -> None:
    """No file, folder, empty, text, no video stream, no index; the good one at the end is judged."""
    whole = clips.make(tmp_path / "whole.avi", clips.steady(2), codec="mpeg4")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video\n" * 100)
    (tmp_path / "stump.mp4").write_bytes(whole.read_bytes()[:40])
    clips.sound_only(tmp_path / "sound.wav")
    names = ["absent.mp4", "", "empty.mp4", "text.mp4", "sound.wav", "stump.mp4"]
    code, out, err = run("--sandbox", "--json", *(tmp_path / name for name in names), whole)
    assert code == 3
    assert [row["outcome"] for row in rows(out)] == ["bad_input"] * 6 + ["complete"]
    lines = err.splitlines()
    assert len(lines) == 6
    for line, words in zip(
        lines, ["no such file", "folder", "is empty", "no video", "no video stream", "no video"], strict=True
    ):
        assert words in line


def test_a_truncated_file_has_its_own_code_and_all_its_samples(tmp_path: Path, run: Run) -> None:
    """Samples sent are the samples due by the last decoded frame, and one line says how far it went."""
    path = clips.cut(clips.make(tmp_path / "a.mp4", clips.steady(12), clips.noise))
    code, out, err = run("--sandbox", "--json", "--fps", "4", path)
    (row,) = rows(out)
    due = int(4 * max(clips.decoded(path))) + 1
    assert (code, row["outcome"], row["truncated"]) == (4, "truncated", True)
    assert err.endswith(" s only: its data is damaged\n")
    assert row["due"] == row["sent"] == row["answered"] == due
    assert len(err.splitlines()) == 1


def test_without_a_service_one_error_names_both_ways(tmp_path: Path, run: Run) -> None:
    """Exit 2, and nothing is read."""
    code, out, err = run(tmp_path / "absent.mp4")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "DATASPIKE_API_KEY" in err
    assert "--sandbox" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--fps", "0"],
        ["--fps", "nan"],
        ["--fps", "31"],
        ["--thumbnails"],
        ["--api-key", "k"],
        ["--report", "/nowhere/at/all.html"],
    ],
)
def test_wrong_usage_is_said_before_anything_is_read(tmp_path: Path, run: Run, arguments: list[str]) -> None:
    """Exit 2 and one line."""
    code, out, err = run("--sandbox", *arguments, tmp_path / "absent.mp4")
    assert (code, out, len(err.splitlines())) == (2, "", 1)


FILE = """
[service]
api_key = "from-the-file"
url = "wss://file.example/x"
proxy = "http://proxy.example:3128"
[sampling]
quality = 30
normal_fps = "not looked at"
[privacy]
max_side = 640
[sinks.json_lines]
file = "/nowhere/alerts.jsonl"
"""


def test_the_settings_apply_to_a_scan_and_options_override_them(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option, then the variable, then the file that --config or DATASPIKE_CONFIG names; no sink is opened."""
    seen: list[tuple[int, int | None, str | None, str | None, str | None]] = []

    async def note(scan: ScanRun, service: Dataspike | None) -> None:
        proxy = None if service is None or service.proxy is None else service.proxy.host
        key, url = (None, None) if service is None else (service.key.reveal(), service.log_url)
        seen.append((scan.quality, scan.max_side, key, url, proxy))

    monkeypatch.setattr(ScanRun, "run", note)
    file = tmp_path / "ds.toml"
    file.write_text(FILE)
    video = tmp_path / "absent.mp4"
    run("--config", file, video)
    run("--config", file, "--max-side", "320", "--api-key", "own", "--url", "wss://option.example/", video)
    run("--config", file, "--sandbox", video)
    monkeypatch.setenv("DATASPIKE_CONFIG", str(file))
    monkeypatch.setenv("DATASPIKE_QUALITY", "40")
    monkeypatch.setenv("DATASPIKE_API_KEY", "from-a-variable")
    run(video)
    assert seen == [
        (30, 640, "from-the-file", "wss://file.example/x", "proxy.example"),
        (30, 320, "own", "wss://option.example/", "proxy.example"),
        (30, 640, None, None, None),
        (40, 640, "from-a-variable", "wss://file.example/x", "proxy.example"),
    ]


def test_a_setting_that_a_scan_cannot_use_is_one_line_without_the_key(tmp_path: Path, run: Run) -> None:
    """Exit 2, before anything is read."""
    file = tmp_path / "ds.toml"
    for text, words in (("[sampling]\nquality = 101", "sampling.quality must be"), ("qualty = 1", "is not a setting")):
        file.write_text(f"{text}\n[service]\nproxy = 'ftp://user:topsecret@x'")
        code, out, err = run("--config", file, tmp_path / "absent.mp4")
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert words in err
    file.write_text("[service]\napi_key = 'k'\nproxy = 'ftp://user:topsecret@x'")
    code, _out, err = run("--config", file, tmp_path / "absent.mp4")
    assert code == 2
    assert f"service.proxy (from {file}): proxy must be a URL" in err
    assert "topsecret" not in err


def test_a_url_in_the_clear_is_refused_without_showing_the_key(tmp_path: Path, run: Run) -> None:
    """The line names the setting, not its value, and no way out that the command has not."""
    code, _out, err = run("--api-key", "topsecret", "--url", "ws://example.org", tmp_path / "absent.mp4")
    assert code == 2
    assert "DATASPIKE_WS_URL" in err
    assert "topsecret" not in err
    assert "allow_insecure" not in err


def test_a_url_that_is_none_names_both_kinds_that_will_do(tmp_path: Path, run: Run) -> None:
    """The option's name, wss:// and, to this machine, ws://."""
    code, _out, err = run("--api-key", "k", "--url", "http://127.0.0.1:1", tmp_path / "absent.mp4")
    assert code == 2
    assert "--url (or DATASPIKE_WS_URL) must be a wss:// URL (or ws:// to this machine)" in err


def test_the_report_never_overwrites_a_video(tmp_path: Path, run: Run) -> None:
    """Exit 2; the file is as it was."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(1))
    before = path.read_bytes()
    assert run("--sandbox", "--report", path, path)[0] == 2
    assert path.read_bytes() == before


def test_the_table_shows_segments_and_no_progress_bar_into_a_pipe(tmp_path: Path, run: Run) -> None:
    """Stdout has the table, stderr nothing, and neither has a control sequence."""
    path = clips.make(tmp_path / "[red]a\x1b[2J.mp4", clips.steady(6), clips.tampered)
    code, out, err = run("--sandbox", path)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert "[red]a[2J.mp4: alert" in out
    assert "6 samples due, 6 sent, 6 answered; complete" in out
    assert [line.split() for line in out.splitlines()[1:5]] == [
        ["from", "to", "level", "samples"],
        ["0:00.0", "0:02.0", "clear", "2"],
        ["0:02.0", "0:04.0", "alert", "2"],
        ["0:04.0", "0:05.9", "clear", "2"],
    ]


def judge(sample: Sample, _now: float) -> ResultType:
    return ResultType.CLEAR


async def against(
    sandbox: Sandbox, paths: list[Path], *, fps: float = 1.0, silence: float = 10.0, stalled: float = 60.0
) -> ScanRun:
    results = [StreamScan(str(path), fps) for path in paths]
    scan = ScanRun(results, partial(show, as_json=True), silence=silence, stalled=stalled)
    await scan.run(Dataspike(api_key="good", url=sandbox.url))
    return scan


async def test_nothing_is_dropped_when_the_service_is_slow(tmp_path: Path) -> None:
    """Sending waits: every sample arrives, in order, with no more than the window ahead of the answers."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(5))
    ahead: list[int] = []

    def slow(sample: Sample, now: float) -> ResultType:
        time.sleep(0.01)
        ahead.append(scan_result.sent - scan_result.answered)
        return judge(sample, now)

    async with open_sandbox(slow) as sandbox:
        scan = ScanRun([StreamScan(str(path), 20.0)], partial(show, as_json=True))
        scan_result = scan.results[0]
        await scan.run(Dataspike(api_key="good", url=sandbox.url))
        assert len(sandbox.samples) == scan_result.due == scan_result.answered == 99
    assert max(ahead) <= 16
    assert scan_result.outcome is ScanOutcome.COMPLETE


async def test_no_picture_is_larger_than_max_side(tmp_path: Path) -> None:
    """What leaves has that many pixels at most; a smaller picture stays as it is."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(2))
    sizes: dict[int | None, set[tuple[int, int]]] = {}
    for side in (None, 64, 100_000):
        seen = sizes[side] = set()

        def measure(sample: Sample, _now: float, seen: set[tuple[int, int]] = seen) -> ResultType:
            with Image.open(io.BytesIO(sample.data)) as picture:
                seen.add(picture.size)
            return ResultType.CLEAR

        async with open_sandbox(measure) as sandbox:
            scan = ScanRun([StreamScan(str(path), 1.0)], partial(show, as_json=True), max_side=side)
            await scan.run(Dataspike(api_key="good", url=sandbox.url))
    ((own,), (small,), (same,)) = sizes.values()
    assert own == same
    assert max(own) > 64 == max(small)


async def test_the_quality_is_the_one_that_is_asked_for(tmp_path: Path) -> None:
    """The lower, the coarser are the steps of its JPEG."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(2))
    steps: dict[int, int] = {}
    for quality in (10, 75, 95):

        def measure(sample: Sample, _now: float, quality: int = quality) -> ResultType:
            with Image.open(io.BytesIO(sample.data)) as picture:
                assert isinstance(picture, JpegImageFile)
                steps[quality] = sum(picture.quantization[0])
            return ResultType.CLEAR

        async with open_sandbox(measure) as sandbox:
            scan = ScanRun([StreamScan(str(path), 1.0)], partial(show, as_json=True), quality=quality)
            await scan.run(Dataspike(api_key="good", url=sandbox.url))
    assert steps[10] > steps[75] > steps[95]


async def test_silence_after_the_samples_is_partial(tmp_path: Path) -> None:
    """All were sent, two were answered; what is known is kept."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(5))
    seen: list[int] = []

    def twice(_sample: Sample, _now: float) -> ResultType | None:
        seen.append(1)
        return ResultType.SUSPICIOUS if len(seen) <= 2 else None

    async with open_sandbox(twice) as sandbox:
        (result,) = (await against(sandbox, [path], silence=2.0)).results
    assert (result.outcome, result.due, result.sent, result.answered) == (ScanOutcome.PARTIAL, 5, 5, 2)
    assert (result.unanswered, result.lost) == (3, 0)
    assert "2 of 5" in result.problem
    assert result.timeline.segments[0].end == 2.0


async def test_late_answers_hold_samples_back_and_lose_none(tmp_path: Path) -> None:
    """Each comes later than the silence that ends a file whose samples are all sent; they are all sent."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(5))
    async with open_sandbox(judge) as sandbox:
        sandbox.faults.begin(Slow(1.5))
        (result,) = (await against(sandbox, [path], fps=4, silence=1.0)).results
        assert len(sandbox.samples) == result.sent == result.due == 20
    assert result.answered >= 16


async def test_a_service_that_says_nothing_is_given_up_before_all_is_sent(tmp_path: Path) -> None:
    """The window is sent, and no more while no answer comes."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(5))
    async with open_sandbox(lambda _sample, _now: None) as sandbox:
        (result,) = (await against(sandbox, [path], fps=4, stalled=2.0)).results
    assert (result.outcome, result.sent, result.answered) == (ScanOutcome.PARTIAL, 16, 0)
    assert "no answer for 2 s" in result.problem


async def test_a_lost_connection_is_partial_and_the_next_file_goes_on(tmp_path: Path) -> None:
    """What was answered before the cut stays; the next file has a connection of its own."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(5))
    seen: list[int] = []

    def cut(sample: Sample, now: float) -> ResultType:
        seen.append(1)
        if len(seen) == 3:
            trio.from_thread.run_sync(sandbox.drop_now)
        return judge(sample, now)

    async with open_sandbox(cut) as sandbox:
        first, second = (await against(sandbox, [path, path])).results
        assert len(sandbox.attempts) == 2
    assert first.outcome is ScanOutcome.PARTIAL
    assert first.answered < first.sent
    assert (first.unanswered, first.lost) == (0, first.sent - first.answered)
    assert f"{first.lost} lost with the connection" in first.samples
    assert first.as_dict()["lost"] == first.lost
    assert (second.outcome, second.answered) == (ScanOutcome.COMPLETE, 5)


async def test_a_refused_key_ends_the_scan(tmp_path: Path) -> None:
    """One attempt for two files, and the reason names the key's variable."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(2))
    async with open_sandbox(judge, api_keys=["other"]) as sandbox:
        scan = await against(sandbox, [path, path])
        assert len(sandbox.attempts) == 1
    assert scan.service_problem == ("the service refused the key (HTTP 401); check --api-key (or DATASPIKE_API_KEY)")
    assert [result.outcome for result in scan.results] == [ScanOutcome.NOT_SCANNED] * 2


async def test_a_file_that_is_no_video_needs_no_connection(tmp_path: Path) -> None:
    """It is known to be bad before anybody connects."""
    (tmp_path / "a.mp4").write_text("no video")
    async with open_sandbox(judge) as sandbox:
        scan = await against(sandbox, [tmp_path / "a.mp4"])
        assert sandbox.attempts == []
    assert scan.results[0].outcome is ScanOutcome.BAD_INPUT


def test_a_service_that_is_not_reached_is_told_with_what_to_do(tmp_path: Path, run: Run) -> None:
    """The reason without Python's words, and the command that finds the step."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(3))
    code, _out, err = run("--api-key", "any", "--url", "ws://127.0.0.1:1", path)
    assert code == 2
    assert "ws://127.0.0.1:1 was not reached: Connection refused (1 of 1 video not scanned)" in err
    assert "ds-actors doctor checks each step" in err


async def test_ctrl_c_gives_the_partial_result(tmp_path: Path) -> None:
    """Key and URL from the environment; SIGINT: exit 130, the answers so far, no traceback."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(60, 5))
    report = tmp_path / "r.html"

    def slow(sample: Sample, now: float) -> ResultType:
        time.sleep(0.1)
        return judge(sample, now)

    async with open_sandbox(slow, api_keys=["good"]) as sandbox, trio.open_nursery() as nursery:
        settings = {"DATASPIKE_API_KEY": "good", "DATASPIKE_WS_URL": sandbox.url}
        err = (tmp_path / "err").open("w+b")
        process = await nursery.start(
            partial(
                trio.run_process,
                [*COMMAND, "--report", str(report), str(path), str(path)],
                capture_stdout=True,
                stderr=err,
                check=False,
                env=os.environ | settings,
            )
        )
        await until_in_trio(lambda: len(sandbox.samples) >= 4, 100)
        process.send_signal(signal.SIGINT)
        with trio.fail_after(40):
            await process.wait()
    with err:
        err.seek(0)
        last = err.read().decode().splitlines()[-2:]
    assert last[0] == "ds-actors scan: stopped by Ctrl-C (1 of 2 videos not scanned)"
    assert last[1] == f"ds-actors scan: report written to {report}"
    assert process.returncode == 130
    assert "clear" in report.read_text("utf-8")


def test_a_terminal_sees_a_progress_bar(tmp_path: Path) -> None:
    """On stderr only; stdout stays JSON."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(6))
    done, seen = run_on_a_terminal([*COMMAND, "--sandbox", "--json", "--fps", "30", str(path)])
    assert done.returncode == 0
    assert json.loads(done.stdout)["outcome"] == "complete"
    assert b"a.mp4" in seen
    assert b"/179" in seen


@pytest.mark.skipif(not HELLO.exists(), reason="apt-get install forensics-samples-files")
def test_a_real_recording_whole_and_cut(tmp_path: Path, run: Run) -> None:
    """A man with a headset for 8.3 s: as many samples sent as are due by its decoded frames, cut or not."""
    whole = tmp_path / HELLO.name
    whole.write_bytes(HELLO.read_bytes())
    code, out, _err = run("--sandbox", "--json", "--fps", "2", whole, clips.cut(whole))
    assert code == 4
    for row, path in zip(rows(out), [whole, clips.cut(whole)], strict=True):
        assert row["due"] == row["sent"] == row["answered"] == int(2 * max(clips.decoded(path))) + 1
    assert [row["outcome"] for row in rows(out)] == ["complete", "truncated"]


def test_thumbnails_are_there_only_when_asked_for(tmp_path: Path, run: Run) -> None:
    """One small picture a segment, inside the page; without the option no pixel is written."""
    path = clips.make(tmp_path / "a.mp4", clips.steady(6), clips.tampered)
    page = tmp_path / "r.html"
    assert run("--sandbox", "--report", page, path)[0] == 0
    assert "<img" not in page.read_text("utf-8")
    assert run("--sandbox", "--report", page, "--thumbnails", path)[0] == 0
    assert page.read_text("utf-8").count('<img alt="picture at') == 3
