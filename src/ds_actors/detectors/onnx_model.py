"""A detector from an ONNX file and its settings. It needs ONNX Runtime, which the extra `onnx` brings."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ds_actors._extras import install_command
from ds_actors.detectors.findings import described
from ds_actors.detectors.model_settings import (
    ModelSettings,
    ModelSettingsError,
    check_input,
)
from ds_actors.detectors.tensors import TensorDetector

_FLOAT: Final = "tensor(float)"
_POINTER: Final = b"version https://git-lfs"


class OnnxDetector(TensorDetector):
    """Judges pictures with ONNX Runtime.

    Args:
        settings: the model and what it takes.
        folder: from where its path counts.

    Raises:
        ModelSettingsError: when a setting does not fit the model; shows both shapes.
        ModuleNotFoundError: without ONNX Runtime.
    """

    def __init__(self, settings: ModelSettings, folder: Path) -> None:
        super().__init__(settings)
        model = folder / self.settings.model
        if not model.is_file():
            raise ModelSettingsError(f"the model {model} is not a file; its path counts from {folder}")
        self._session: Any = _session(model, self.settings)
        self._input: str = self._find_input()
        self._output: str = self._find_output()
        self._check_input()
        self.try_grey()

    def run(self, pixels: NDArray[np.float32]) -> tuple[str, NDArray[Any]]:
        """Return the output's name and the output for a batch."""
        output: NDArray[Any] = self._session.run([self._output], {self._input: pixels})[0]
        return self._output, output

    def _find_input(self) -> str:
        inputs: dict[str, Any] = {entry.name: entry for entry in self._session.get_inputs()}
        names = ", ".join(inputs)
        wanted = self.settings.input
        if wanted is None and len(inputs) > 1:
            raise ModelSettingsError(f"the model has several inputs ({names}): say which one with input.name")
        if wanted is not None and wanted not in inputs:
            raise ModelSettingsError(f"the model has no input {wanted!r}; it has {names}")
        return next(iter(inputs)) if wanted is None else wanted

    def _find_output(self) -> str:
        names: list[str] = [entry.name for entry in self._session.get_outputs()]
        wanted = self.settings.output
        if wanted is not None and wanted not in names:
            raise ModelSettingsError(f"the model has no output {wanted!r}; it has {', '.join(names)}")
        return names[0] if wanted is None else wanted

    def _check_input(self) -> None:
        (entry,) = (entry for entry in self._session.get_inputs() if entry.name == self._input)
        if entry.type != _FLOAT:
            raise ModelSettingsError(f"the model's input {self._input} is a {entry.type}, and must be a {_FLOAT}")
        self.batch: int | None = check_input(entry.shape, self.settings, self._input)


def declared(model: Path) -> str:
    """Return the inputs and outputs of a model file, in words.

    Raises:
        ModelSettingsError: when it cannot be loaded.
        ModuleNotFoundError: without ONNX Runtime.
    """
    if not model.is_file():
        raise ModelSettingsError(f"the model {model} is not a file")
    session = _session(model, ModelSettings(model.name, 1, 1))
    kinds = {"input": session.get_inputs(), "output": session.get_outputs()}
    return ", ".join(f"the {kind} {entry.name} {entry.shape}" for kind, entries in kinds.items() for entry in entries)


def _fix(model: Path, runtime: Any) -> str:
    with model.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            return "it is a pointer of Git LFS: fetch the file itself with git lfs pull"
    return (
        "give a whole ONNX file, with its external data beside it, of an opset that ONNX Runtime "
        f"{runtime.__version__} knows; else export it again, or upgrade onnxruntime"
    )


def _session(model: Path, settings: ModelSettings) -> Any:
    try:
        runtime: Any = import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error.name} is missing: an ONNX model needs {install_command('onnx')}",
            name=error.name,
        ) from None
    available: list[str] = runtime.get_available_providers()
    for provider in settings.providers:
        if provider not in available:
            raise ModelSettingsError(f"there is no provider {provider}; here are {', '.join(available)}")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    try:
        return runtime.InferenceSession(str(model), options, providers=list(settings.providers) or available)
    except Exception as error:
        raise ModelSettingsError(
            f"the model {model} cannot be loaded: {described(error)}; {_fix(model, runtime)}"
        ) from error
