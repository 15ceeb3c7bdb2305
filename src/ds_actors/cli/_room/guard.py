"""Runs a program until stdin ends, then kills it: the program ends with its parent, however the parent ends.

Run as a file, `python guard.py PROGRAM [ARGUMENT ...]`; exits with the program's code, or 0 when stdin ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading


def _kill_when_stdin_ends(process: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1024):
        pass
    process.kill()
    process.wait()
    os._exit(0)


def main() -> int:
    """Run the program and return its exit code."""
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)  # noqa: S603 - the caller's own command
    threading.Thread(target=_kill_when_stdin_ends, args=(process,), daemon=True).start()
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
