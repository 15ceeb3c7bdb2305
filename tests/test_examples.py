"""All programs in examples/ run, including the guide's."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "examples"
# These have their own tests in tests/asyncio_trees, tests/detectors, tests/examples and tests/e2e/livekit.
SERVERS_AND_COMMANDS = {
    "chat_server.py",
    "crawler.py",
    "face_detector.py",
    "gateway.py",
    "public_detector.py",
    "two_processes.py",
    "web_api.py",
}
ROOMS = ROOT / "deepfake-detection"
EXAMPLES = sorted(
    path for path in ROOT.glob("**/*.py") if path.name not in SERVERS_AND_COMMANDS and ROOMS not in path.parents
)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_example_runs_and_prints_what_it_says(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each is a whole program that ends by itself, prints each `prints ...` of its comments, and logs only crashes."""
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    said = capsys.readouterr().out
    expected = re.findall(r"#.*\bprints (.*)", path.read_text("utf-8"))
    assert expected
    for line in expected:
        assert line in said
    # Programs that show a crash log that crash; a normal end logs nothing.
    assert not [
        record.getMessage()
        for record in caplog.records
        if record.name == "ds_actors" and "crashed (in hand" not in record.getMessage()
    ]
