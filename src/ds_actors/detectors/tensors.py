"""Pictures as a model's input, and its output as probabilities; what a model file and a model server have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ds_actors.detectors.faces import NO_FACE, CropFunction, FaceCropper
from ds_actors.detectors.findings import DetectorAnswer, Finding, described
from ds_actors.detectors.model_settings import ModelSettings, ModelSettingsError, check_output
from ds_actors.detectors.samples import DetectorSample

_TRIED: Final = 2
"""Pictures of the batch that is tried when the model is loaded, where it takes any number."""


class TensorDetector(ABC):
    """A detector whose model takes a batch of pictures as one array; a subclass runs it."""

    def __init__(self, settings: ModelSettings) -> None:
        self.settings: ModelSettings = settings
        self.batch: int | None = None
        """The only batch size that the model takes; None for any."""
        self.crop: CropFunction | None = None
        """Cuts out what is judged; a picture of which it leaves nothing is no verdict."""
        if settings.crop == "face":
            self.crop = FaceCropper(proportions=settings.width / settings.height, threads=settings.threads)

    @abstractmethod
    def run(self, pixels: NDArray[np.float32]) -> tuple[str, NDArray[Any]]:
        """Return the output's name and the output for a batch."""

    def judge(self, samples: Sequence[DetectorSample], /) -> list[DetectorAnswer]:
        """Return a probability for each picture, or a finding without one where there is no face."""
        parts = [sample.rgb if self.crop is None else self.crop(sample.rgb) for sample in samples]
        judged = iter(self._judge_pixels([prepare(part, self.settings) for part in parts if part is not None]))
        return [Finding(reason=NO_FACE) if part is None else next(judged) for part in parts]

    def _judge_pixels(self, pixels: list[NDArray[np.float32]]) -> list[float]:
        if not pixels:
            return []
        if self.batch is None:
            return self._probabilities(np.stack(pixels))
        found: list[float] = []
        for start in range(0, len(pixels), self.batch):
            some = pixels[start : start + self.batch]
            # A model with a fixed batch gets the last picture again, where there are not enough.
            filled = some + [some[-1]] * (self.batch - len(some))
            found += self._probabilities(np.stack(filled))[: len(some)]
        return found

    def try_grey(self) -> None:
        """Judge grey pictures: what cannot work is an error when the model is loaded.

        Raises:
            ModelSettingsError: when the model fails, or its output does not fit; shows both shapes.
        """
        grey = np.full((self.settings.height, self.settings.width, 3), 128, np.uint8)
        try:
            self._probabilities(np.stack([prepare(grey, self.settings)] * (self.batch or _TRIED)))
        except ModelSettingsError:
            raise
        except Exception as error:
            raise ModelSettingsError(f"the model fails on a grey picture: {described(error)}") from error

    def _probabilities(self, pixels: NDArray[np.float32]) -> list[float]:
        name, output = self.run(pixels)
        check_output(output.shape, len(pixels), self.settings, name)
        return probabilities(np.asarray(output, np.float64), self.settings)


def prepare(image: NDArray[np.uint8], settings: ModelSettings) -> NDArray[np.float32]:
    """Return a picture, or its centre, as the model's input without the batch: resized, normalised and laid out."""
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


def probabilities(output: NDArray[np.float64], settings: ModelSettings) -> list[float]:
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
