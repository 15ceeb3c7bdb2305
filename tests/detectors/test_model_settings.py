"""The settings of an ONNX model, without one."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from ds_actors._extras import install_command
from ds_actors.detectors import DetectorError, load_detector
from ds_actors.detectors.model_settings import ModelSettings, ModelSettingsError, parse_settings

INPUT = 'model = "m.onnx"\n[input]\nsize = [224, 256]\n'


def test_every_setting_is_read() -> None:
    """With the defaults for what is not said."""
    assert parse_settings(INPUT) == ModelSettings("m.onnx", 224, 256)
    text = """
        model = "m.onnx"
        providers = ["CPUExecutionProvider"]
        threads = 2
        [input]
        name = "pixel_values"
        size = [224, 256]
        layout = "NHWC"
        colours = "BGR"
        mean = [0.5, 0.25, 0]
        std = [1, 2, 3.5]
        crop = "centre"
        [output]
        name = "logits"
        activation = "softmax"
        manipulated = 1
    """
    settings = parse_settings(text)
    assert settings == ModelSettings(
        "m.onnx",
        224,
        256,
        ("CPUExecutionProvider",),
        2,
        "pixel_values",
        "NHWC",
        "BGR",
        (0.5, 0.25, 0.0),
        (1.0, 2.0, 3.5),
        "centre",
        "logits",
        "softmax",
        1,
    )
    assert (settings.shape(), ModelSettings("m.onnx", 224, 256).shape(4)) == (("batch", 224, 256, 3), (4, 3, 224, 256))


def test_the_documented_files_are_valid() -> None:
    """They are the examples in the docs."""
    examples = Path(__file__).parents[2] / "examples"
    served = parse_settings((examples / "served_model.toml").read_text("utf-8"))
    assert (served.urls, served.timeout) == (("grpc://gpu-1:8001", "grpc://gpu-2:8001"), 1.5)
    settings = parse_settings((examples / "onnx_model.toml").read_text("utf-8"))
    assert (settings.activation, settings.manipulated, settings.crop) == ("softmax", 1, "centre")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "input.size must be [height, width] in pixels"),
        ("model = ", "not TOML: "),
        ("[input]\nsize = [1, 1]", 'model is missing, such as model = "model.onnx"'),
        ("moddel = 1", "moddel is not known; known are model, url, timeout"),
        ("input = 1", "write input as [input]"),
        (INPUT + "sizes = 1", "input.sizes is not known"),
        ("[input]\nsize = [0, 5]", "input.size must be a whole number from 1 to 4096, not 0"),
        ("[input]\nsize = [5.5, 5]", "input.size must be a whole number"),
        ("[input]\nsize = 5", "input.size must be [height, width]"),
        (INPUT + 'layout = "CHW"', "input.layout must be one of NCHW, NHWC, not 'CHW'"),
        (INPUT + "mean = [1, 2]", "input.mean must be three numbers, one for each colour, not [1, 2]"),
        (INPUT + "mean = [1, 2, nan]", "input.mean must be three numbers"),
        (INPUT + "std = [1, 0, 1]", "input.std must not contain 0"),
        (INPUT + "[output]\nmanipulated = -1", "output.manipulated must be a whole number from 0"),
        ("providers = 1\n" + INPUT, "providers must be a list of names, not 1"),
        (
            'url = "ftp://a"\n' + INPUT,
            "url must be the URL of a server, such as http://gpu-1:8000 or grpc://gpu-1:8001",
        ),
        ("url = [1]\n" + INPUT, "url must be the URL of a server"),
        ('url = "http://a:b"\n' + INPUT, "url must be the URL of a server"),
        ('url = "http://["\n' + INPUT, "url must be the URL of a server"),
        ('url = "grpc://a"\n' + INPUT, "url must be the URL of a server"),
        ('url = "grpc://a:1/v2"\n' + INPUT, "url must be the URL of a server"),
        ('url = ["grpc://a:1", "http://a"]\n' + INPUT, "url must have servers of one kind"),
        ("timeout = 0\n" + INPUT, "timeout must be a number of seconds above 0, not 0"),
        ("threads = true\n" + INPUT, "threads must be a whole number from 1 to 1024, not True"),
        (f"x = {'9' * 5_000}", "an integer may have 64 bits"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_expected(text: str, expected: str) -> None:
    """In one line."""
    with pytest.raises(ModelSettingsError, match=re.escape(expected)) as raised:
        parse_settings(text)
    assert "\n" not in str(raised.value)


def test_without_onnx_runtime_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every extra."""
    (tmp_path / "m.onnx").write_bytes(b"model")
    (tmp_path / "m.toml").write_text(INPUT)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DetectorError, match=re.escape(install_command("onnx"))):
        load_detector(str(tmp_path / "m.toml"))
