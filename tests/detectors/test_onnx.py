"""ONNX models with ONNX Runtime: real sessions, small models."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx_files
import pytest
from numpy.typing import NDArray
from onnx_files import node, patch_model, save, whole
from PIL import Image
from serving_kit import answer, connect, message
from typer.testing import CliRunner

from ds_actors.cli import app
from ds_actors.detection.events import ResultType
from ds_actors.detectors import DetectorError, DetectorSample, Invalid, judge_samples, load_detector, picture
from ds_actors.sandbox import paint_marker
from ds_actors.serving import ModelLimits, QueueLimits, open_service

pytestmark = pytest.mark.timeout(200)  # some start processes that import ONNX Runtime

GREY = np.full((96, 128, 3), 128, np.uint8)
WHITE = np.full((96, 128, 3), 255, np.uint8)
PAINTED = paint_marker(GREY, 0.4)


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95)
    return out.getvalue()


def samples(*pixels: NDArray[np.uint8]) -> list[DetectorSample]:
    return [picture(jpeg(image)) for image in pixels]


def found(path: Path, *pixels: NDArray[np.uint8]) -> list[float | str | None]:
    outcomes = judge_samples(load_detector(str(path)), samples(*pixels))
    return [outcome.fault if isinstance(outcome, Invalid) else outcome.probability for outcome in outcomes]


@pytest.mark.parametrize("batch", ["batch", 1, 4], ids=["any", "1", "4"])
def test_a_model_finds_the_patch_in_batches_of_any_or_a_fixed_size(batch: int | str, tmp_path: Path) -> None:
    """A fixed batch is filled, and its surplus is left out."""
    assert found(patch_model(tmp_path, batch=batch), PAINTED, GREY, PAINTED) == [1.0, 0.0, 1.0]


def test_classes_and_their_activation_are_probabilities(tmp_path: Path) -> None:
    """Softmax over two classes, of which the second means manipulated; sigmoid of one value."""
    nodes = [
        *onnx_files.patch_nodes(),
        node("Unsqueeze", ["share", "last"], "second"),
        node("Sub", ["one", "second"], "first"),
        node("Concat", ["first", "second"], "classes", axis=1),
    ]
    text = 'model = "model.onnx"\n[input]\nsize = [64, 64]\n[output]\nactivation = "softmax"\nmanipulated = 1\n'
    path = save(tmp_path, nodes, output="classes", settings=text, more=[whole("last", [1])])
    high, low = found(path, PAINTED, GREY)
    assert high == pytest.approx(np.e / (np.e + 1))
    assert low == pytest.approx(1 / (np.e + 1))
    path.write_text(text.replace("softmax", "sigmoid"))
    assert found(path, PAINTED) == [pytest.approx(1 / (1 + np.exp(-1)))]


def test_colours_mean_deviation_and_layout_reach_the_model(tmp_path: Path) -> None:
    """The output is the mean of what was the input's first channel."""
    nodes = [
        node("Gather", ["pixels", "channel"], "one_channel", axis=1),
        node("ReduceMean", ["one_channel", "axes"], "mean", keepdims=0),
    ]
    blue = np.zeros((64, 64, 3), np.uint8)
    blue[..., 2] = 255
    text = 'model = "model.onnx"\n[input]\nsize = [64, 64]\ncolours = "BGR"\nmean = [0.5, 0, 0]\nstd = [2, 1, 1]\n'
    path = save(tmp_path, nodes, output="mean", settings=text, more=[whole("channel", [0], []), whole("axes", [1, 2])])
    assert found(path, blue) == [pytest.approx(0.25, abs=0.01)]


def test_a_centre_crop_leaves_out_the_sides(tmp_path: Path) -> None:
    """Without one, the whole picture is stretched."""
    wide = np.full((64, 256, 3), 128, np.uint8)
    wide[:, :64] = paint_marker(wide[:, :64], 1.0)
    path = patch_model(tmp_path)
    assert found(path, wide) == [1.0]
    path.write_text(path.read_text() + 'crop = "centre"\n')
    assert found(path, wide) == [0.0]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (
            "[input]\nsize = [32, 32]",
            {},
            "input pixels has the shape [batch, 3, 64, 64], and the settings make [batch, 3, 32, 32]",
        ),
        (
            '[input]\nsize = [64, 64]\nlayout = "NHWC"',
            {},
            "has the shape [batch, 3, 64, 64], and the settings make [batch, 64, 64, 3]",
        ),
        ('[input]\nsize = [64, 64]\nname = "x"', {}, "the model has no input 'x'; it has pixels"),
        ('[input]\nsize = [64, 64]\n[output]\nname = "x"', {}, "the model has no output 'x'; it has share"),
        (
            '[input]\nsize = [64, 64]\n[output]\nactivation = "softmax"',
            {},
            "one class, and softmax makes 1 of any value",
        ),
        ('providers = ["MoonProvider"]\n[input]\nsize = [64, 64]', {}, "there is no provider MoonProvider; here are "),
    ],
)
def test_what_does_not_fit_the_model_is_an_error_that_shows_both(
    text: str, options: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    """When it is loaded, not when the first sample comes."""
    path = patch_model(tmp_path, settings=f'model = "model.onnx"\n{text}\n', **options)
    with pytest.raises(DetectorError, match=re.escape(expected)):
        load_detector(str(path))


def test_an_output_of_another_shape_is_an_error_that_shows_it(tmp_path: Path) -> None:
    """Here a picture instead of a number, then four classes of which none is named."""
    path = save(tmp_path, [node("Identity", ["pixels"], "same")], output="same")
    with pytest.raises(
        DetectorError, match=re.escape("has the shape [2, 3, 64, 64] for 2 pictures, not [2], [2, 1] or")
    ):
        load_detector(str(path))
    nodes = [node("ReduceMean", ["pixels", "axes"], "colours", keepdims=0)]
    path = save(tmp_path, nodes, output="colours", more=[whole("axes", [2, 3])])
    with pytest.raises(DetectorError, match=re.escape("so 3 classes: output.manipulated must say which one")):
        load_detector(str(path))


def test_a_file_that_is_no_model_says_so(tmp_path: Path) -> None:
    """A missing one says so too, and missing settings."""
    path = patch_model(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(DetectorError, match=r"the model .*model\.onnx cannot be loaded: "):
        load_detector(str(path))
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(DetectorError, match=r"the model .*model\.onnx is not a file"):
        load_detector(str(path))
    with pytest.raises(DetectorError, match=r"nothing\.toml: it cannot be read: No such file"):
        load_detector(str(tmp_path / "nothing.toml"))


def test_nan_and_errors_are_faults_of_their_samples(tmp_path: Path) -> None:
    """Never a level."""
    assert found(onnx_files.nan_model(tmp_path), PAINTED, WHITE) == [1.0, "not_a_number"]
    assert found(onnx_files.failing_model(tmp_path), WHITE) == ["failed"]
    assert found(tmp_path / "model.toml", PAINTED) == [1.0]


def test_a_model_without_settings_says_what_it_declares(tmp_path: Path) -> None:
    """So that its settings can be written."""
    path = patch_model(tmp_path, batch=1)
    expected = "the model declares the input pixels [1, 3, 64, 64], the output share "
    with pytest.raises(DetectorError, match=re.escape(expected)):
        load_detector(str(path.with_suffix(".onnx")))


def test_infinities_numbers_beyond_1_and_surplus_answers_are_faults(tmp_path: Path) -> None:
    """A surplus answer costs the batch: which one belongs to which picture is not known."""
    expected = ["out_of_range", "not_a_number", pytest.approx(0.0, abs=1e-6)]
    assert found(onnx_files.range_model(tmp_path), PAINTED, WHITE, GREY) == expected
    assert found(onnx_files.counting_model(tmp_path), PAINTED, GREY) == [1.0, 0.0]
    assert found(tmp_path / "model.toml", WHITE, WHITE) == ["failed", "failed"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"no model", r"give a whole ONNX file, with its external data beside it, of an opset that ONNX Runtime 1\."),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a pointer of Git LFS: fetch the file"),
        (None, "is not a file; its path counts from"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_exit_2_with_the_reason_and_the_fix(
    content: bytes | None, expected: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In one line of the command; the log of its service does not say it again."""
    path = patch_model(tmp_path)
    model, file = tmp_path / "model.onnx", tmp_path / "grey.png"
    model.unlink()
    if content is not None:
        model.write_bytes(content)
    Image.fromarray(GREY).save(file)
    for arguments in (["scan", str(file)], ["serve", "--port", "0"]):
        words = [*arguments, "--detector", str(path), "--suspicious", "0.3", "--alert", "0.6"]
        done = CliRunner().invoke(app, words, env={"DS_ACTORS_API_KEYS": None})
        assert done.exit_code == 2
        assert re.search(expected, done.stderr)
        assert done.stderr.count("\n") == 1
    assert caplog.records == []


@pytest.mark.parametrize(
    ("make", "limits"),
    [
        (onnx_files.looping_model, ModelLimits(batch_timeout=5.0)),
        (onnx_files.greedy_model, ModelLimits(memory=600 << 20, batch_timeout=100.0)),
    ],
    ids=["hang", "memory"],
)
async def test_a_model_that_hangs_or_takes_too_much_memory_is_replaced(
    make: Any, limits: ModelLimits, tmp_path: Path
) -> None:
    """Behind the service, it costs its batch."""
    spec = str(make(tmp_path))
    async with open_service(spec, models=limits, queue=QueueLimits(deadline=120.0)) as service:
        await service.wait_ready()
        async with connect(service.url) as websocket:
            await websocket.send_message(message(data=jpeg(WHITE)))
            assert (await answer(websocket)).message == "The model process failed on this batch."
            await websocket.send_message(message(data=jpeg(PAINTED)))
            assert (await answer(websocket)).number == ResultType.ALERT
