"""Models on servers: a real MLServer with two replicas, and a server that answers what it should not."""

from __future__ import annotations

import io
import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from livekit_harness.components import ENABLE, mlserver
from numpy.typing import NDArray
from PIL import Image
from waiting import until

from ds_actors.detectors import Detector, DetectorError, DetectorSample, Invalid, judge_samples, load_detector, picture
from ds_actors.detectors.open_inference import OpenInferenceDetector
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
    assert isinstance(detector, OpenInferenceDetector)
    try:
        yield detector
    finally:
        detector.close()


def judged(detector: Detector, *pixels: NDArray[np.uint8]) -> list[float | str | None]:
    outcomes = judge_samples(detector, [sample(image) for image in pixels])
    return [outcome.fault if isinstance(outcome, Invalid) else outcome.probability for outcome in outcomes]


def settings(folder: Path, *urls: str, more: str = "size = [64, 64]\n") -> str:
    path = folder / "model.toml"
    path.write_text(f'model = "patch"\nurl = {json.dumps(urls)}\n[input]\n{more}', "utf-8")
    return str(path)


@contextmanager
def model_server(folder: Path) -> Generator[tuple[str, subprocess.Popen[bytes]]]:
    """Run one replica of MLServer."""
    program = mlserver()
    if program is None:
        pytest.skip(f"MLServer is not installed; `{ENABLE}` installs it")
    folder.mkdir()
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    http, grpc, metrics = (taken.getsockname()[1] for taken in sockets)
    for taken in sockets:
        taken.close()
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
            until(lambda: process.poll() is not None or _ready(url), 50)
            yield url, process
        finally:
            process.kill()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v2/models/patch/ready").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.timeout(150)
def test_a_replica_of_a_real_server_may_die(tmp_path: Path) -> None:
    """The other one judges; when both are gone, the samples are errors."""
    with model_server(tmp_path / "a") as (first, process), model_server(tmp_path / "b") as (second, other):
        with pytest.raises(
            DetectorError, match=re.escape("the shape [any, 3, 64, 64], and the settings make [batch, 3, 32, 32]")
        ):
            load_detector(settings(tmp_path, first, more="size = [32, 32]\n"))
        with loaded(settings(tmp_path, first, second)) as detector:
            for _ in range(2):
                assert judged(detector, PAINTED, GREY) == [1.0, 0.0]
            process.kill()
            process.wait()
            for _ in range(4):
                assert judged(detector, PAINTED, GREY) == [1.0, 0.0]
            other.kill()
            other.wait()
            assert judged(detector, PAINTED, GREY) == ["failed", "failed"]


@contextmanager
def fake_server(metadata: Any, infer: Any, status: int = 200) -> Generator[str]:
    """Answer every request with those values as JSON."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, value: Any) -> None:
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._answer(metadata)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(infer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


PIXELS = {"inputs": [{"name": "pixels", "datatype": "FP32", "shape": [-1, 3, 64, 64]}]}
ONE = {"outputs": [{"name": "p", "shape": [2], "data": [0.25, 0.5]}]}


@pytest.mark.parametrize(
    ("metadata", "infer", "expected"),
    [
        (b"<html>", ONE, "the model 'patch' was not found on a server: 127.0.0.1: JSONDecodeError"),
        (PIXELS, {"outputs": []}, "the model has no output ''; it has none"),
        (
            PIXELS,
            {"outputs": [{"name": "p", "shape": [3], "data": [1, 2]}]},
            "the model fails on a grey picture: ValueError",
        ),
        (PIXELS, {"outputs": [{"name": "p", "shape": [1], "data": [1]}]}, "has the shape [1] for 2 pictures"),
        (
            {"inputs": [{"name": "a"}, {"name": "b"}]},
            ONE,
            "input.name must say which of the model's inputs is meant; it has a, b",
        ),
        (
            {"inputs": [{"name": "a", "datatype": "UINT8", "shape": [1]}]},
            ONE,
            "the model's input a is UINT8, and must be FP32",
        ),
        ({}, ONE, "input.name must say which of the model's inputs is meant; it has none that it describes"),
    ],
)
def test_a_server_that_does_not_fit_is_an_error_at_the_start(
    metadata: Any, infer: Any, expected: str, tmp_path: Path
) -> None:
    """With what it answered."""
    with fake_server(metadata, infer) as url, pytest.raises(DetectorError, match=re.escape(expected)):
        load_detector(settings(tmp_path, url))


def test_a_server_that_refuses_or_is_not_there_names_its_host_alone(tmp_path: Path) -> None:
    """The URL may hold a password."""
    with fake_server({}, {}, 503) as url:
        secret = url.replace("http://", "http://user:secret@")
        with pytest.raises(DetectorError, match=r"127\.0\.0\.1 answered with HTTP 503") as raised:
            load_detector(settings(tmp_path, secret))
    assert "secret" not in str(raised.value)
    with pytest.raises(DetectorError, match=r"was not found on a server: 127\.0\.0\.1: ConnectError"):
        load_detector(settings(tmp_path, "http://127.0.0.1:1"))


def test_a_server_need_not_describe_its_models_and_null_is_no_probability(tmp_path: Path) -> None:
    """JSON has no NaN; the input is named by the settings."""
    named = 'name = "x"\nsize = [64, 64]\n'
    with fake_server({}, ONE) as url, loaded(settings(tmp_path, url, more=named)) as detector:
        assert judged(detector, GREY, GREY) == [0.25, 0.5]
    nothing = {"outputs": [{"name": "p", "shape": [2], "data": [None, 0.5]}]}
    with fake_server({}, nothing) as url, loaded(settings(tmp_path, url, more=named)) as detector:
        assert judged(detector, GREY, GREY) == ["not_a_number", 0.5]
