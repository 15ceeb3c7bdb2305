"""A loaded detector that judges one batch at a time: in a process of its own, or in a thread of this one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

import trio
from attrs import define, field

from ds_actors.detection.events import Sample
from ds_actors.detectors import Detector
from ds_actors.serving._frames import (
    LENGTH,
    LONGEST_READY,
    BrokenFrameError,
    Outcomes,
    batch_frame,
    decode_outcomes,
    decode_ready,
    longest_outcomes,
)
from ds_actors.serving._judging import judge_batch

_ENDS_WITHIN: Final = 2.0


class ModelLost(Exception):
    """A model process ended, hangs, or uses too much memory."""


class ModelNotLoaded(Exception):
    """A detector could not be loaded; the message says why."""


class LoadedModel(Protocol):
    """A loaded detector."""

    @property
    def batches(self) -> int:
        """How many batches it holds: one that it judges, and those that wait behind it."""
        ...

    async def send(self, samples: Sequence[Sample]) -> None:
        """Give it a batch."""
        ...

    async def receive(self) -> tuple[Outcomes, float]:
        """Return one outcome for each sample of the oldest batch, and the seconds that the detector took."""
        ...

    def memory(self) -> int | None:
        """Return the bytes of memory that its process uses; None when that is not known, or not its own."""
        ...


OpenModel = Callable[[], AbstractAsyncContextManager[LoadedModel]]


@define(eq=False)
class ProcessModel:
    """A detector in a process of its own."""

    _process: trio.Process
    _received: bytearray = field(factory=bytearray, repr=False)
    _number: int = field(default=0, init=False)
    _sent: deque[tuple[int, int, float]] = field(factory=deque[tuple[int, int, float]], init=False, repr=False)
    """Number, samples and time of each batch that has no outcomes yet."""
    batches: int = 2

    async def loaded(self) -> None:
        """Wait until its detector is loaded.

        Raises:
            ModelNotLoaded: when the detector cannot be loaded.
            ModelLost: when the process ends, or says something else.
        """
        try:
            problem = decode_ready(await self._message(LONGEST_READY))
        except BrokenFrameError as error:
            raise ModelLost(str(error)) from None
        if problem is not None:
            raise ModelNotLoaded(problem)

    async def send(self, samples: Sequence[Sample]) -> None:
        """Write the batch to the process, which reads it when it is done with the one before.

        Raises:
            ModelLost: when the process has ended.
        """
        assert self._process.stdin is not None
        self._number += 1
        self._sent.append((self._number, len(samples), trio.current_time()))
        try:
            frame = batch_frame(self._number, [(sample.format, sample.data) for sample in samples])
            await self._process.stdin.send_all(frame)
        except trio.BrokenResourceError:
            raise ModelLost(await self._ending()) from None

    async def receive(self) -> tuple[Outcomes, float]:
        """Return the outcomes of the oldest batch.

        Raises:
            ModelLost: when the process ends, or answers with something else.
        """
        number, count, sent = self._sent.popleft()
        try:
            outcomes, seconds = decode_outcomes(await self._message(longest_outcomes(count)), number, count)
        except BrokenFrameError as error:
            raise ModelLost(str(error)) from None
        return outcomes, min(seconds, trio.current_time() - sent)

    async def _message(self, longest: int) -> bytes:
        (length,) = LENGTH.unpack(await self._exactly(LENGTH.size))
        if length > longest:
            raise BrokenFrameError("the answer of the model process is too long")
        return await self._exactly(length)

    def memory(self) -> int | None:
        """Return the resident bytes of the process, where /proc says so."""
        try:
            pages = Path(f"/proc/{self._process.pid}/statm").read_text("ascii").split()[1]
        except (OSError, IndexError):
            return None
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    async def _exactly(self, count: int) -> bytes:
        assert self._process.stdout is not None
        while len(self._received) < count:
            data = await self._process.stdout.receive_some()
            if not data:
                raise ModelLost(await self._ending())
            self._received += data
        data, self._received = bytes(self._received[:count]), self._received[count:]
        return data

    async def _ending(self) -> str:
        with trio.move_on_after(_ENDS_WITHIN):
            await self._process.wait()
        code = self._process.returncode
        if code is None:
            return "it closed a pipe"
        return f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"


@asynccontextmanager
async def open_process(spec: str) -> AsyncGenerator[LoadedModel]:
    """Load the detector of a spec in a process of its own, which is gone at the end of the block.

    Raises:
        ModelNotLoaded: when the detector cannot be loaded.
        ModelLost: when the process ends instead.
    """
    command = [sys.executable, "-m", "ds_actors.serving._child", spec, str(os.getpid())]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        model = ProcessModel(process)
        await model.loaded()
        yield model
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                await trio.aclose_forcefully(pipe)
            await process.wait()


@define(eq=False)
class ThreadModel:
    """A detector of this process, in a thread: it takes no process of its own, and nothing protects from it."""

    _detector: Detector
    _samples: Sequence[Sample] = field(default=(), init=False, repr=False)
    batches: int = 1

    async def send(self, samples: Sequence[Sample]) -> None:
        """Keep the batch until its outcomes are asked for."""
        await trio.lowlevel.checkpoint()
        self._samples = samples

    async def receive(self) -> tuple[Outcomes, float]:
        """Judge the batch in a thread; one that hangs is abandoned."""
        samples = self._samples

        def judge() -> tuple[Outcomes, float]:
            began = time.perf_counter()
            outcomes = judge_batch(self._detector, [(sample.format, sample.data) for sample in samples])
            return outcomes, time.perf_counter() - began

        # A limiter of its own: threads that hang must not use up those of the program.
        return await trio.to_thread.run_sync(judge, abandon_on_cancel=True, limiter=trio.CapacityLimiter(1))

    def memory(self) -> int | None:
        """Return None: the memory is that of the whole program."""
        return None


def in_thread(detector: Detector) -> OpenModel:
    """Return what opens a detector of this process."""

    @asynccontextmanager
    async def open_thread() -> AsyncGenerator[LoadedModel]:
        yield ThreadModel(detector)

    return open_thread
