"""What the tests of models on servers share: pictures, settings, and a replica of MLServer."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from attrs import frozen
from livekit_harness.components import ENABLE, mlserver
from livekit_harness.ports import free_port
from numpy.typing import NDArray
from PIL import Image
from waiting import until

from ds_actors.detectors import Detector, DetectorSample, Invalid, judge_samples, load_detector, picture
from ds_actors.detectors.served_model import ServedDetector
from ds_actors.sandbox import paint_marker

GREY = np.full((96, 128, 3), 128, np.uint8)
PAINTED = paint_marker(GREY, 0.4)


def sample(pixels: NDArray[np.uint8]) -> DetectorSample:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95)
    return picture(out.getvalue())


@contextmanager
def loaded(spec: str) -> Generator[Detector]:
    detector = load_detector(spec)
    assert isinstance(detector, ServedDetector)
    try:
        yield detector
    finally:
        detector.close()


def judged(detector: Detector, *pixels: NDArray[np.uint8]) -> list[float | str | None]:
    outcomes = judge_samples(detector, [sample(image) for image in pixels])
    return [outcome.fault if isinstance(outcome, Invalid) else outcome.probability for outcome in outcomes]


def settings(folder: Path, *urls: str, more: str = "size = [64, 64]\n", timeout: float = 5.0) -> str:
    path = folder / "model.toml"
    path.write_text(f'model = "patch"\ntimeout = {timeout}\nurl = {json.dumps(urls)}\n[input]\n{more}', "utf-8")
    return str(path)


@frozen
class ModelReplica:
    """A running MLServer with the model `patch`."""

    http: str
    grpc: str
    process: subprocess.Popen[bytes]

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()


@contextmanager
def model_server(folder: Path) -> Generator[ModelReplica]:
    """Run one replica of MLServer."""
    program = mlserver()
    if program is None:
        pytest.skip(f"MLServer is not installed; `{ENABLE}` installs it")
    folder.mkdir()
    http, grpc, metrics = free_port(), free_port(), free_port()
    ports = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    pixels = {"name": "pixels", "datatype": "FP32", "shape": [-1, 3, 64, 64]}
    model = {"name": "patch", "implementation": "patch_runtime.PatchModel", "inputs": [pixels]}
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "parallel_workers": 0, **ports}))
    (folder / "model-settings.json").write_text(json.dumps(model))
    shutil.copy(Path(__file__).with_name("patch_runtime.py"), folder)
    url = f"http://127.0.0.1:{http}"
    with subprocess.Popen(
        [program, "start", "."], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: process.poll() is not None or _ready(url), 120)
            yield ModelReplica(url, f"grpc://127.0.0.1:{grpc}", process)
        finally:
            process.kill()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v2/models/patch/ready").status_code == 200
    except httpx.HTTPError:
        return False
