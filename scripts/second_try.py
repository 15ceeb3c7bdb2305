"""Runs the tests that just failed once more, alone, where a busy machine may be to blame; `.ci/run` asks for it.

    pytest ... || python scripts/second_try.py $? [OPTION OF PYTEST ...]

Only tests of real rooms, processes and sockets get a second try, and no more than three in a whole run of CI. Those
that pass then are added to the file that $SECOND_TRIES names. Every other failure is final.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

MOST = 3
TESTS_FAILED = 1
"""The exit code of pytest that means just that: it was not interrupted, and could import every file."""
LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")
REAL = (
    "tests/asyncio_trees/",
    "tests/cli/test_calibrate_detector.py",
    "tests/cli/test_closed_stdout.py",
    "tests/cli/test_demo.py",
    "tests/cli/test_serve_command.py",
    "tests/e2e/",
    "tests/examples/test_chat_server.py",
    "tests/examples/test_crawler.py",
    "tests/examples/test_gateway.py",
    "tests/faults/",
    "tests/processes/",
    "tests/sandbox/",
    "tests/serving/test_clients.py",
    "tests/serving/test_local.py",
    "tests/serving/test_models.py",
    "tests/serving/test_serving_tree.py",
)
"""Where real processes, sockets and clocks decide; no law, no unit and nothing in virtual time is among them."""


def last_failed() -> list[str]:
    """Return the tests that failed when they last ran, by pytest's cache."""
    return list(json.loads(LAST_FAILED.read_text("utf-8"))) if LAST_FAILED.exists() else []


def why_final(code: int, failed: Sequence[str], earlier: Sequence[str]) -> str:
    """Return why these failures have no second try; nothing if they have one.

    Args:
        code: the exit code of pytest.
        failed: the tests that failed.
        earlier: those that had a second try in this run of CI already.
    """
    if code != TESTS_FAILED or not failed:
        return f"pytest ended with exit code {code}"
    others = [test for test in failed if "::" not in test or not test.startswith(REAL)]
    if others:
        return f"not only tests of real processes failed: {others[0]}"
    if len(failed) + len(earlier) > MOST:
        return f"more than {MOST} tests failed"
    return ""


def main(code: int, options: Sequence[str]) -> int:
    """Run what failed once more, if it may; return the exit code."""
    noted, failed = Path(os.environ["SECOND_TRIES"]), last_failed()
    reason = why_final(code, failed, noted.read_text("utf-8").splitlines() if noted.exists() else [])
    if reason:
        print(f"no second try: {reason}")
        return 1
    print("\n== once more, alone:", *failed, sep="\n", flush=True)
    again = subprocess.run([sys.executable, "-m", "pytest", "-q", *options, *failed], check=False)
    if again.returncode or last_failed():  # what an option left out has not passed
        return 1
    with noted.open("a", encoding="utf-8") as file:
        file.writelines(f"{test}\n" for test in failed)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
