"""A detector on servers: which one is asked, what it must declare, and which output counts; how it is asked differs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from ds_actors.detectors.findings import described
from ds_actors.detectors.model_settings import ModelSettings, ModelSettingsError, check_input
from ds_actors.detectors.tensors import TensorDetector

FLOAT: Final = "FP32"
LARGEST_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of the longest answer that is read."""
_T = TypeVar("_T")


class ServerFailed(Exception):
    """No server judged the batch; the message holds no more of a URL than its host."""


@frozen
class DeclaredTensor:
    """An input as a server describes it."""

    name: str
    datatype: str
    shape: Sequence[int | None]
    """None where any size will do."""


@frozen
class ServedOutput:
    """An output of a batch; its values are read where it is the one that counts."""

    name: str
    read: Callable[[], NDArray[np.float64]] = field(repr=False)


class ServedDetector(TensorDetector):
    """Sends batches to one server after the other; one that fails is passed over for the next.

    A subclass opens its connections and then calls `connect`.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        self._next: int = 0
        self._requests: int = 0
        self._input: str = ""

    def next_id(self) -> str:
        """Return the identifier of the next request, which its answer repeats."""
        self._requests += 1
        return str(self._requests)

    @abstractmethod
    def describe(self, url: str) -> list[DeclaredTensor]:
        """Return the model's inputs, none where the server does not describe them.

        Raises:
            ServerFailed: when the server fails; the text continues the name of its host.
        """

    @abstractmethod
    def infer(self, url: str, name: str, pixels: NDArray[np.float32]) -> list[ServedOutput]:
        """Return the model's outputs for a batch, of which `name` is the input.

        Raises:
            ServerFailed: when the server fails; the text continues the name of its host.
        """

    @abstractmethod
    def close(self) -> None:
        """Close its connections."""

    def connect(self) -> None:
        """Find the model, and try it.

        Raises:
            ModelSettingsError: when no server has the model, or the settings do not fit it; shows both shapes.
        """
        try:
            self._input = self._find_input()
            self.try_grey()
        except BaseException:
            self.close()
            raise

    def run(self, pixels: NDArray[np.float32]) -> tuple[str, NDArray[Any]]:
        """Return the output's name and the output for a batch."""
        return self._in_turn(lambda url: self._read(self.infer(url, self._input, pixels)))

    def _read(self, outputs: list[ServedOutput]) -> tuple[str, NDArray[Any]]:
        wanted = self.settings.output
        found = next((output for output in outputs if wanted in (None, output.name)), None)
        if found is None:
            names = ", ".join(output.name for output in outputs) or "none"
            raise ModelSettingsError(f"the model has no output {wanted or ''!r}; it has {names}")
        try:
            return found.name, found.read()
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise ServerFailed(f" answered with an output that cannot be read: {described(error)}") from None

    def _find_input(self) -> str:
        try:
            inputs = {entry.name: entry for entry in self._in_turn(self.describe)}
        except ServerFailed as error:
            raise ModelSettingsError(f"the model {self.settings.model!r} was not found on a server: {error}") from None
        wanted = self.settings.input
        if not inputs and wanted is not None:
            return wanted  # a server need not describe its models
        if wanted is None and len(inputs) != 1:
            names = ", ".join(inputs) or "none that it describes"
            raise ModelSettingsError(f"input.name must say which of the model's inputs is meant; it has {names}")
        if wanted is not None and wanted not in inputs:
            raise ModelSettingsError(f"the model has no input {wanted!r}; it has {', '.join(inputs)}")
        entry = inputs[wanted or next(iter(inputs))]
        if entry.datatype != FLOAT:
            raise ModelSettingsError(f"the model's input {entry.name} is {entry.datatype}, and must be {FLOAT}")
        self.batch: int | None = check_input(entry.shape, self.settings, entry.name)
        return entry.name

    def _in_turn(self, ask: Callable[[str], _T]) -> _T:
        """Ask the servers in turn, each once.

        Raises:
            ServerFailed: when all of them fail.
        """
        problems: list[str] = []
        for _ in self.settings.urls:
            url = self.settings.urls[self._next % len(self.settings.urls)]
            self._next += 1
            try:
                return ask(url)
            except ServerFailed as error:
                problems.append(f"{urlsplit(url).hostname}{error}")
        raise ServerFailed("; ".join(problems))


def check_id(answered: object, asked: str) -> None:
    """Check that an answer belongs to its request; one without an identifier is taken at its word.

    Raises:
        ServerFailed: when it belongs to another one.
    """
    if answered not in (None, "", asked):
        raise ServerFailed(" answered another request")


def declared_shape(shape: Sequence[int]) -> list[int | None]:
    """Return a shape of the protocol, in which -1 is any size."""
    return [None if size == -1 else size for size in shape]
