"""Runs a program until stdin ends, then kills it: the program ends with its parent, however the parent ends.

Run as a file, `python guard.py PROGRAM [ARGUMENT ...]`; exits with the program's code, or 0 when stdin ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading


def main() -> int:
    """Run the program and return its exit code, or 0 when stdin ended."""
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)  # noqa: S603 - the caller's own command
    killed = threading.Event()

    def kill_when_stdin_ends() -> None:
        while os.read(0, 1024):
            pass
        killed.set()
        process.kill()

    threading.Thread(target=kill_when_stdin_ends, daemon=True).start()
    code = process.wait()
    return 0 if killed.is_set() else code


if __name__ == "__main__":
    sys.exit(main())
