"""How a detector is found, and what a wrong spec says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from ds_actors.detectors import DetectorError, FunctionDetector, as_detector, load_detector

_MODULE = """
class Model:
    def judge(self, samples):
        return [0.5] * len(samples)

class Needy(Model):
    def __init__(self, path):
        self.path = path

def judge(image):
    return 0.5

def make():
    return Model()

def broken():
    raise OSError("no weights")

model = Model()
number = 5
"""


@pytest.fixture(autouse=True)
def _own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_detectors.py").write_text(_MODULE)
    (tmp_path / "raising_detectors.py").write_text("raise RuntimeError('no GPU')")
    info = tmp_path / "own-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[ds_actors.detectors]\nown = own_detectors:Model\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


@pytest.mark.parametrize("spec", ["Model", "model", "make()", "Model()"])
def test_a_class_an_object_and_a_function_that_makes_one_are_found(spec: str) -> None:
    """Parentheses at the end call a function; a class needs none."""
    assert type(load_detector(f"own_detectors:{spec}")).__name__ == "Model"


def test_a_function_is_a_detector() -> None:
    """As `judge(image)`."""
    assert isinstance(load_detector("own_detectors:judge"), FunctionDetector)


def test_an_entry_point_is_found_by_its_name() -> None:
    """In the group that packages use for detectors."""
    assert type(load_detector("own")).__name__ == "Model"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("nowhere:judge", "nowhere:judge cannot be loaded: ModuleNotFoundError: No module named 'nowhere'"),
        ("nowhere:judge", "; modules are looked for in the current folder and among the installed packages"),
        ("models/own_detectors.py:judge", "a spec names a module, in the folder of the file: own_detectors:judge"),
        ("./own_detectors.py", "a spec names a module, in the folder of the file: own_detectors:judge"),
        (
            "models/m.onnx",
            "models/m.onnx needs a file m.toml that says what goes in and what comes out, such as model =",
        ),
        ("own_detectors:nothing", "AttributeError: module 'own_detectors' has no attribute 'nothing'"),
        ("own_detectors:numbr", "has no attribute 'numbr'; did you mean number?"),
        ("raising_detectors:judge", "cannot be loaded: RuntimeError: no GPU"),
        ("own_detectors:broken()", "cannot be loaded: OSError: no weights"),
        ("own_detectors:Needy", "cannot be loaded: TypeError: "),
        ("own_detectors:number", "own_detectors:number is of type int: write a function judge(image)"),
        ("nothing", "no detector is called 'nothing' (installed: own"),
        ("../model.bin", "your own is module:name, or a .toml file"),
    ],
)
def test_a_wrong_spec_says_why_and_what_to_do(spec: str, text: str) -> None:
    """In one line."""
    with pytest.raises(DetectorError, match=re.escape(text)):
        load_detector(spec)


def test_a_class_is_not_an_object() -> None:
    """In a program, an instance is passed."""

    class Model:
        def judge(self, samples: object, /) -> list[float]:
            return []

    with pytest.raises(DetectorError, match="the detector is of type type"):
        as_detector(Model)
    assert isinstance(as_detector(len), FunctionDetector)
