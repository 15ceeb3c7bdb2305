"""JSON lines in files of bounded size and number."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from ds_actors.detection import ResultEvent, RotatingJsonLinesSink
from ds_actors.detection.events import Level, ResultType

EVENT = ResultEvent(ResultType.ALERT, "alice\n\u202e", "TR_1", "so it is", 7, previous_level=Level.CLEAR)
LONG = evolve(EVENT, message="x" * 900)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def test_each_event_is_a_line_with_its_room(tmp_path: Path) -> None:
    """Appended to what is there, in a file for its owner alone, whatever the umask is."""
    path = tmp_path / "alerts.jsonl"
    before = os.umask(0)
    try:
        await RotatingJsonLinesSink(path).deliver(EVENT)
        await RotatingJsonLinesSink(path, room=lambda: "call\x1b").deliver(EVENT)
    finally:
        os.umask(before)
    assert lines(path) == [EVENT.dict(), {"room": "call", **EVENT.dict()}]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_full_files_are_rotated_and_the_oldest_is_deleted(tmp_path: Path) -> None:
    """No file grows over the limit, no line is torn, and the newest lines are all there."""
    path = tmp_path / "alerts.jsonl"
    sink = RotatingJsonLinesSink(path, max_bytes=20_000, files=3)
    for number in range(100):
        await sink.deliver(evolve(LONG, timestamp_ms=number))
    found = listed(tmp_path)
    assert [file.name for file in found] == ["alerts.jsonl", "alerts.jsonl.1", "alerts.jsonl.2"]
    assert all(file.stat().st_size <= 20_000 and stat.S_IMODE(file.stat().st_mode) == 0o600 for file in found)
    kept = [line["timestamp_ms"] for file in reversed(found) for line in lines(file)]
    assert kept == list(range(100 - len(kept), 100))
    assert len(kept) > 2 * 15


async def test_where_files_have_no_locks_none_is_renamed_while_it_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, which refuses that."""
    monkeypatch.setattr("ds_actors.detection.sinks._rotating._HAS_LOCKS", False)
    path, replace = tmp_path / "alerts.jsonl", Path.replace
    renamed: list[str] = []

    def checked(file: Path, target: Path) -> Path:
        held = [os.path.realpath(entry.path) for entry in os.scandir("/proc/self/fd")]
        assert str(file) not in held
        renamed.append(file.name)
        return replace(file, target)

    monkeypatch.setattr(Path, "replace", checked)
    sink = RotatingJsonLinesSink(path, max_bytes=20_000, files=2)
    for number in range(40):
        await sink.deliver(evolve(LONG, timestamp_ms=number))
    assert set(renamed) == {"alerts.jsonl"}
    assert [line["timestamp_ms"] for line in lines(path)][-1] == 39


async def test_with_one_file_a_full_one_is_emptied(tmp_path: Path) -> None:
    """There is never a second."""
    sink = RotatingJsonLinesSink(tmp_path / "a", max_bytes=20_000, files=1)
    for _ in range(60):
        await sink.deliver(LONG)
    (only,) = listed(tmp_path)
    assert 0 < only.stat().st_size <= 20_000


def _link(path: Path) -> None:
    path.symlink_to(path.with_name("victim"))


def _hard_link(path: Path) -> None:
    path.with_name("victim").write_text("precious")
    path.hardlink_to(path.with_name("victim"))


def _pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [_link, _hard_link, _pipe, Path.mkdir])
async def test_only_an_own_regular_file_is_written(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Also one that became something else after the sink was made."""
    path = tmp_path / "alerts.jsonl"
    sink = RotatingJsonLinesSink(path)
    make(path)
    with pytest.raises(OSError, match=r"link|regular|directory"), trio.fail_after(20):
        await sink.deliver(EVENT)
    victim = path.with_name("victim")
    assert not victim.exists() or victim.read_text() == "precious"
    if make is not _hard_link:
        with pytest.raises(ValueError, match="path must be a regular file"):
            RotatingJsonLinesSink(path)


async def test_a_link_among_the_rotated_files_is_replaced_not_followed(tmp_path: Path) -> None:
    """What it leads to stays as it was."""
    path, victim = tmp_path / "a", tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "a.1").symlink_to(victim)
    sink = RotatingJsonLinesSink(path, max_bytes=20_000, files=2)
    for _ in range(30):
        await sink.deliver(LONG)
    assert victim.read_text() == "precious"
    assert not (tmp_path / "a.1").is_symlink()


async def test_a_line_that_cannot_be_written_whole_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk; the next one that fits is whole again."""
    path = tmp_path / "a"
    sink = RotatingJsonLinesSink(path)
    await sink.deliver(EVENT)
    write, calls = os.write, 0

    def full(number: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(number, data[:5])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            await sink.deliver(EVENT)
    await sink.deliver(EVENT)
    assert lines(path) == [EVENT.dict()] * 2


async def test_a_line_that_a_crash_cut_off_swallows_no_other(tmp_path: Path) -> None:
    """The next one begins on a line of its own."""
    path = tmp_path / "a"
    path.write_text('{"cut of')
    await RotatingJsonLinesSink(path).deliver(EVENT)
    assert path.read_text().splitlines()[0] == '{"cut of'
    assert json.loads(path.read_text().splitlines()[1]) == EVENT.dict()


def _write_many(path: Path, who: int) -> None:
    sink = RotatingJsonLinesSink(path, max_bytes=20_000, files=1_000)

    async def write() -> None:
        for number in range(60):
            await sink.deliver(evolve(LONG, timestamp_ms=number, participant_id=f"p{who}"))

    trio.run(write)


def test_several_processes_may_write_to_one_file(tmp_path: Path) -> None:
    """As the jobs of one worker do: every line of each is there once, in order, and whole."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_many, args=(tmp_path / "a", who)) for who in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
        assert process.exitcode == 0
    files = sorted(tmp_path.iterdir(), key=lambda file: -int(file.suffix.lstrip(".") or 0))
    found = [(line["participant_id"], line["timestamp_ms"]) for file in files for line in lines(file)]
    for who in range(3):
        assert [number for name, number in found if name == f"p{who}"] == list(range(60))
    assert all(file.stat().st_size <= 20_000 for file in files)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"max_bytes": 100}, "max_bytes"),
        ({"max_bytes": 1e9}, "max_bytes"),
        ({"files": 0}, "files"),
        ({"files": True}, "files"),
    ],
)
def test_bounds_are_checked(tmp_path: Path, options: dict[str, Any], word: str) -> None:
    """And named."""
    with pytest.raises(ValueError, match=word):
        RotatingJsonLinesSink(tmp_path / "a", **options)
    with pytest.raises(ValueError, match="folder"):
        RotatingJsonLinesSink(tmp_path / "nowhere" / "a")
