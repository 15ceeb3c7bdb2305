"""A detector from an ONNX file and its settings. It needs ONNX Runtime, which the extra `onnx` brings."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ds_actors.detectors.findings import described
from ds_actors.detectors.onnx_settings import (
    OnnxSettings,
    OnnxSettingsError,
    check_input,
    check_output,
    parse_settings,
)
from ds_actors.detectors.samples import DetectorSample

_FLOAT: Final = "tensor(float)"
_TRIED: Final = 2
"""Pictures of the batch that is tried when the model is loaded, where it takes any number."""


class OnnxDetector:
    """Judges pictures with ONNX Runtime.

    Args:
        path: the TOML file with the settings, beside which the model is.

    Raises:
        OnnxSettingsError: when a setting does not fit the model; shows both shapes.
        OSError: when a file cannot be read.
        ModuleNotFoundError: without ONNX Runtime.
    """

    def __init__(self, path: Path) -> None:
        self.settings: OnnxSettings = parse_settings(path.read_text("utf-8"))
        model = path.parent / self.settings.model
        if not model.is_file():
            raise OnnxSettingsError(f"the model {model} is not a file; its path counts from {path.parent}")
        self._session: Any = _session(model, self.settings)
        self._input: str = self._find_input()
        self._output: str = self._find_output()
        self._batch: int | None = None
        self._try()

    def judge(self, samples: Sequence[DetectorSample], /) -> list[float]:
        """Return a probability for each picture."""
        pixels = [prepare(sample.rgb, self.settings) for sample in samples]
        if self._batch is None:
            return self._probabilities(np.stack(pixels))
        found: list[float] = []
        for start in range(0, len(pixels), self._batch):
            some = pixels[start : start + self._batch]
            # A model with a fixed batch gets the last picture again, where there are not enough.
            filled = some + [some[-1]] * (self._batch - len(some))
            found += self._probabilities(np.stack(filled))[: len(some)]
        return found

    def _probabilities(self, pixels: NDArray[np.float32]) -> list[float]:
        output: Any = self._session.run([self._output], {self._input: pixels})[0]
        check_output(output.shape, len(pixels), self.settings, self._output)
        return probabilities(np.asarray(output, np.float64), self.settings)

    def _find_input(self) -> str:
        inputs: dict[str, Any] = {entry.name: entry for entry in self._session.get_inputs()}
        names = ", ".join(inputs)
        wanted = self.settings.input
        if wanted is None and len(inputs) > 1:
            raise OnnxSettingsError(f"the model has several inputs ({names}): say which one with input.name")
        if wanted is not None and wanted not in inputs:
            raise OnnxSettingsError(f"the model has no input {wanted!r}; it has {names}")
        return next(iter(inputs)) if wanted is None else wanted

    def _find_output(self) -> str:
        names: list[str] = [entry.name for entry in self._session.get_outputs()]
        wanted = self.settings.output
        if wanted is not None and wanted not in names:
            raise OnnxSettingsError(f"the model has no output {wanted!r}; it has {', '.join(names)}")
        return names[0] if wanted is None else wanted

    def _try(self) -> None:
        """Compare the shapes, and judge grey pictures: what cannot work is an error when it is loaded."""
        (entry,) = (entry for entry in self._session.get_inputs() if entry.name == self._input)
        if entry.type != _FLOAT:
            raise OnnxSettingsError(f"the model's input {self._input} is a {entry.type}, and must be a {_FLOAT}")
        self._batch = check_input(entry.shape, self.settings, self._input)
        grey = np.full((self.settings.height, self.settings.width, 3), 128, np.uint8)
        try:
            self._probabilities(np.stack([prepare(grey, self.settings)] * (self._batch or _TRIED)))
        except OnnxSettingsError:
            raise
        except Exception as error:
            raise OnnxSettingsError(f"the model fails on a grey picture: {described(error)}") from error


def prepare(image: NDArray[np.uint8], settings: OnnxSettings) -> NDArray[np.float32]:
    """Return a picture as the model's input, without the batch: cropped, resized, normalised and laid out."""
    picture = Image.fromarray(image)
    box = None
    if settings.crop == "centre":
        scale = min(picture.width / settings.width, picture.height / settings.height)
        width, height = settings.width * scale, settings.height * scale
        left, top = (picture.width - width) / 2, (picture.height - height) / 2
        box = (left, top, left + width, top + height)
    resized = picture.resize((settings.width, settings.height), Image.Resampling.BILINEAR, box)
    colours = np.asarray(resized, np.float32) / np.float32(255)
    if settings.colours == "BGR":
        colours = colours[..., ::-1]
    mean, std = np.array(settings.mean, np.float32), np.array(settings.std, np.float32)
    values: NDArray[np.float32] = (colours - mean) / std
    return values if settings.layout == "NHWC" else values.transpose(2, 0, 1)


def probabilities(output: NDArray[np.float64], settings: OnnxSettings) -> list[float]:
    """Return the probability of each picture from the model's output, one value or one for each class."""
    values = output.reshape(len(output), -1)
    with np.errstate(all="ignore"):  # NaN and infinity stay what they are, and are errors of their samples
        if settings.activation == "sigmoid":
            values = 1 / (1 + np.exp(-values))
        elif settings.activation == "softmax":
            powers = np.exp(values - values.max(axis=1, keepdims=True))
            values = powers / powers.sum(axis=1, keepdims=True)
    column: list[float] = values[:, settings.manipulated or 0].tolist()
    return column


def _session(model: Path, settings: OnnxSettings) -> Any:
    try:
        runtime: Any = import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{error.name} is missing: an ONNX model needs pip install "ds-actors[onnx]" (in a clone: ".[onnx]")',
            name=error.name,
        ) from None
    available: list[str] = runtime.get_available_providers()
    for provider in settings.providers:
        if provider not in available:
            raise OnnxSettingsError(f"there is no provider {provider}; here are {', '.join(available)}")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    try:
        return runtime.InferenceSession(str(model), options, providers=list(settings.providers) or available)
    except Exception as error:
        raise OnnxSettingsError(f"the model {model} cannot be loaded: {described(error)}") from error
