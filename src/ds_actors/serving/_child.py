"""A model process: loads one detector, then judges one batch after the other.

The service runs it as `python -m ds_actors.serving._child SPEC PID`, with its own process id. Its standard output
belongs to the service; what the detector prints goes to standard error.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from typing import BinaryIO, Final

from ds_actors.detectors import DetectorError, load_detector
from ds_actors.serving._frames import LENGTH, decode_batch, encode_error, encode_outcomes, encode_ready, framed
from ds_actors.serving._judging import judge_batch

_LOOKS_EVERY: Final = 1.0


def main() -> None:
    """Serve the service that started this process, until its pipe ends."""
    # The service decides what Ctrl-C, which reaches the whole group, means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device, for its descriptor
        os.dup2(nothing.fileno(), 0)
    spec, parent = sys.argv[1:]
    threading.Thread(target=_end_with_parent, args=(int(parent),), daemon=True).start()
    try:
        detector = load_detector(spec)
    except DetectorError as error:
        _write(answers, encode_error(str(error)))
        return
    _write(answers, encode_ready())
    batches = queue.Queue[bytes | None](maxsize=1)
    threading.Thread(target=_receive, args=(requests, batches), daemon=True).start()
    while (message := batches.get()) is not None:
        began = time.perf_counter()
        number, samples = decode_batch(message)
        outcomes = judge_batch(detector, samples)
        _write(answers, encode_outcomes(number, outcomes, time.perf_counter() - began))


def _receive(requests: BinaryIO, batches: queue.Queue[bytes | None]) -> None:
    # Answers can be longer than a pipe holds: while this process waits for the service to read them, the service may be
    # waiting until the next batch is read here.
    while (message := _read(requests)) is not None:
        batches.put(message)
    batches.put(None)


def _end_with_parent(parent: int) -> None:
    # A detector that hangs does not read, so it would not notice that the service was killed. The service passes its
    # own id: it may be gone before this process can ask who its parent is.
    while os.getppid() == parent:
        time.sleep(_LOOKS_EVERY)
    os._exit(1)


def _write(answers: BinaryIO, message: bytes) -> None:
    answers.write(framed(message))
    answers.flush()


def _read(requests: BinaryIO) -> bytes | None:
    head = requests.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    message = requests.read(length)
    return message if len(message) == length else None


if __name__ == "__main__":
    main()
