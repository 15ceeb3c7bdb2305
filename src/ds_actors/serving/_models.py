"""A loaded detector that judges one batch at a time: in a process of its own, or in a thread of this one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
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

    async def judge(self, samples: Sequence[Sample]) -> tuple[Outcomes, float]:
        """Return one outcome for each sample, and the seconds that the detector took."""
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
    _batches: int = field(default=0, init=False)

    async def loaded(self) -> None:
        """Wait until its detector is loaded.

        Raises:
            ModelNotLoaded: when the detector cannot be loaded.
            ModelLost: when the process ends, or says something else.
        """
        try:
            problem = decode_ready(await self._receive(LONGEST_READY))
        except BrokenFrameError as error:
            raise ModelLost(str(error)) from None
        if problem is not None:
            raise ModelNotLoaded(problem)

    async def judge(self, samples: Sequence[Sample]) -> tuple[Outcomes, float]:
        """Send the batch, and wait for the outcomes.

        Raises:
            ModelLost: when the process ends, or answers with something else.
        """
        assert self._process.stdin is not None
        self._batches += 1
        began = trio.current_time()
        try:
            frame = batch_frame(self._batches, [(sample.format, sample.data) for sample in samples])
            await self._process.stdin.send_all(frame)
            answer = await self._receive(longest_outcomes(len(samples)))
            outcomes, seconds = decode_outcomes(answer, self._batches, len(samples))
        except (trio.BrokenResourceError, BrokenFrameError) as error:
            raise ModelLost(str(error) or "it closed its pipe") from None
        return outcomes, min(seconds, trio.current_time() - began)

    async def _receive(self, longest: int) -> bytes:
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
                with trio.move_on_after(_ENDS_WITHIN):
                    await self._process.wait()
                raise ModelLost(_ending(self._process.returncode))
            self._received += data
        data, self._received = bytes(self._received[:count]), self._received[count:]
        return data


def _ending(code: int | None) -> str:
    if code is None:
        return "it closed its output"
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
    _one_at_a_time: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1), repr=False)

    async def judge(self, samples: Sequence[Sample]) -> tuple[Outcomes, float]:
        """Judge the batch in a thread; one that hangs is abandoned."""

        def judge() -> tuple[Outcomes, float]:
            began = time.perf_counter()
            outcomes = judge_batch(self._detector, [(sample.format, sample.data) for sample in samples])
            return outcomes, time.perf_counter() - began

        return await trio.to_thread.run_sync(judge, abandon_on_cancel=True, limiter=self._one_at_a_time)

    def memory(self) -> int | None:
        """Return None: the memory is that of the whole program."""
        return None


def in_thread(detector: Detector) -> OpenModel:
    """Return what opens a detector of this process."""

    @asynccontextmanager
    async def open_thread() -> AsyncGenerator[LoadedModel]:
        yield ThreadModel(detector)

    return open_thread
