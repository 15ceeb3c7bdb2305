"""The files that commands write: for their owner alone, whole, and never through a link."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ds_actors.cli
from ds_actors.cli import app
from ds_actors.cli._files import new_file, replace_file


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Another user's file, which links point to."""
    path = tmp_path / "elsewhere" / "precious"
    path.parent.mkdir()
    path.write_text("precious")
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_file_is_for_its_owner_alone(tmp_path: Path, umask: int) -> None:
    """Whatever the umask permits, and although an earlier file there was open to all."""
    page, video = tmp_path / "page.html", tmp_path / "video.mp4"
    page.write_text("old")
    page.chmod(0o666)
    before = os.umask(umask)
    try:
        replace_file(page, "new é")
        with new_file(video) as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert page.read_text("utf-8") == "new é"
    assert (mode(page), mode(video)) == (0o600, 0o600)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "video.mp4"]


def test_no_link_is_followed(tmp_path: Path, elsewhere: Path) -> None:
    """Not to a file, and not to a name that does not exist yet; what it points to stays as it was."""
    link, dangling = tmp_path / "link", tmp_path / "dangling"
    link.symlink_to(elsewhere)
    dangling.symlink_to(elsewhere.with_name("new"))
    for path in (link, dangling):
        with pytest.raises(OSError, match="it is a symbolic link, which is not followed"):
            replace_file(path, "page")
        with pytest.raises(FileExistsError):
            with new_file(path):
                pytest.fail("it was opened")
        assert path.is_symlink()
    assert [path.name for path in elsewhere.parent.iterdir()] == ["precious"]
    assert elsewhere.read_text() == "precious"


def test_a_link_put_there_at_the_last_moment_is_replaced_and_not_followed(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rename takes the link's place."""
    path = tmp_path / "page.html"
    sync = os.fsync

    def attack(number: int) -> None:
        sync(number)
        path.symlink_to(elsewhere)

    monkeypatch.setattr(os, "fsync", attack)
    replace_file(path, "page")
    assert not path.is_symlink()
    assert (path.read_text(), elsewhere.read_text()) == ("page", "precious")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or Ctrl-C; a video that was not finished is gone."""
    path, video = tmp_path / "page.html", tmp_path / "video.mp4"
    path.write_text("old")

    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, "new")
    with pytest.raises(KeyboardInterrupt):
        with new_file(video) as file:
            file.write(b"half")
            raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize(
    "command",
    [
        ["scan", "--sandbox", "video.mp4", "--report"],
        ["simulate", "adaptive", "--seconds", "5", "--plot"],
        ["tune", "--misses", "0.2", "--false-flags", "0.02", "--plot"],
        ["calibrate", "--clean", "a", "--manipulated", "b", "--output"],
    ],
)
def test_a_command_says_before_its_work_that_it_will_not_write_there(
    command: list[str], tmp_path: Path, elsewhere: Path
) -> None:
    """A link, a device: one line, exit code 2, and nothing is changed."""
    link = tmp_path / "link"
    link.symlink_to(elsewhere)
    for path, why in ((link, "it is a symbolic link"), (Path(os.devnull), "it is not a regular file")):
        result = CliRunner().invoke(app, [*command, str(path)])
        assert result.exit_code == 2
        assert f"{command[-1]} {path}: {why}" in result.stderr
    assert elsewhere.read_text() == "precious"


def test_no_command_writes_a_file_in_another_way() -> None:
    """Path's own writers follow links, and leave half a file where they fail."""
    commands = Path(ds_actors.cli.__file__).parent
    writers = re.compile(r"\.write_(?:text|bytes)\(|\bopen\([^)]*[\"'][wax]b?[\"']")
    found = [path.name for path in commands.rglob("*.py") if writers.search(path.read_text("utf-8"))]
    assert sorted(found) == ["_files.py", "clip.py"]  # the second writes into a file that the first has opened
