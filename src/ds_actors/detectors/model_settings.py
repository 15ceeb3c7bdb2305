"""How a model is used: the settings of its TOML file, checked. Pure.

The model is an ONNX file, or with `url` one of a server that speaks the Open Inference Protocol.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeVar, cast
from urllib.parse import urlsplit

from attrs import frozen

from ds_actors.detection.toml_text import TomlError, load_toml

TensorLayout = Literal["NCHW", "NHWC"]
Colours = Literal["RGB", "BGR"]
Crop = Literal["none", "centre", "face"]
Activation = Literal["none", "sigmoid", "softmax"]

_T = TypeVar("_T", bound=str)
_SCHEMES: Final = ("http", "https", "grpc", "grpcs")
_LARGEST: Final = 4_096


class ModelSettingsError(ValueError):
    """A setting is missing or invalid; the message names it and the expected value."""


@frozen
class ModelSettings:
    """One model's file, input and output."""

    model: str
    """The path of the model's file, from the folder of the settings; on a server, its name."""
    height: int
    width: int
    providers: tuple[str, ...] = ()
    """ONNX Runtime's execution providers by name, the preferred one first; empty for its own choice."""
    threads: int = 1
    """Threads that judge one batch: several workers with several threads each would only wait for each other."""
    input: str | None = None
    """The input's name; None where the model has one input."""
    layout: TensorLayout = "NCHW"
    colours: Colours = "RGB"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Subtracted from each colour, whose values are from 0 to 1, in the order of `colours`."""
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    """Each colour is then divided by this."""
    crop: Crop = "none"
    """none: the whole picture, stretched; centre: the largest part with the input's proportions; face: the part around
    the largest face, and no verdict without one."""
    output: str | None = None
    """The output's name; None for the first one."""
    activation: Activation = "none"
    """What makes probabilities of the output."""
    manipulated: int | None = None
    """Which of several classes means manipulated, counted from 0."""
    urls: tuple[str, ...] = ()
    """Where servers have the model, all over HTTP or all over gRPC; empty for a file."""
    timeout: float = 5.0
    """Seconds that a server may take for one batch."""

    @property
    def over_grpc(self) -> bool:
        """Whether the servers are asked over gRPC."""
        return bool(self.urls) and self.urls[0].startswith("grpc")

    def shape(self, batch: int | str = "batch") -> tuple[int | str, ...]:
        """Return the shape of the input that these settings make."""
        return (batch, 3, self.height, self.width) if self.layout == "NCHW" else (batch, self.height, self.width, 3)


def parse_settings(text: str) -> ModelSettings:
    """Return the settings of a TOML text.

    Raises:
        ModelSettingsError: when it is not TOML, or a setting is missing, unknown or invalid.
    """
    try:
        table = load_toml(text)
    except TomlError as error:
        raise ModelSettingsError(str(error)) from None
    _known(table, ("model", "url", "timeout", "providers", "threads", "input", "output"), "")
    entry, output = _section(table, "input"), _section(table, "output")
    _known(entry, ("name", "size", "layout", "colours", "mean", "std", "crop"), "input.")
    _known(output, ("name", "activation", "manipulated"), "output.")
    size = entry.get("size")
    if not isinstance(size, list) or len(cast("list[object]", size)) != 2:
        raise ModelSettingsError("input.size must be [height, width] in pixels")
    height, width = (_whole(value, "input.size", 1, _LARGEST) for value in cast("list[object]", size))
    std = _numbers(entry, "std", (1.0, 1.0, 1.0))
    if 0.0 in std:
        raise ModelSettingsError("input.std must not contain 0")
    manipulated = output.get("manipulated")
    return ModelSettings(
        model=_required(table, "model"),
        height=height,
        width=width,
        urls=_urls(table.get("url", [])),
        timeout=_timeout(table.get("timeout", 5.0)),
        providers=_names(table, "providers"),
        threads=_whole(table.get("threads", 1), "threads", 1, 1_024),
        input=_text(entry, "name", "input."),
        layout=_one_of(entry, "layout", ("NCHW", "NHWC"), "input."),
        colours=_one_of(entry, "colours", ("RGB", "BGR"), "input."),
        mean=_numbers(entry, "mean", (0.0, 0.0, 0.0)),
        std=std,
        crop=_one_of(entry, "crop", ("none", "centre", "face"), "input."),
        output=_text(output, "name", "output."),
        activation=_one_of(output, "activation", ("none", "sigmoid", "softmax"), "output."),
        manipulated=None if manipulated is None else _whole(manipulated, "output.manipulated", 0, 1_000_000),
    )


def check_input(declared: Sequence[object], settings: ModelSettings, name: str) -> int | None:
    """Return the batch size that the model requires, None for any.

    Args:
        declared: the shape that the model declares: numbers, and names or None for what is free.
        settings: its settings.
        name: the input's name.

    Raises:
        ModelSettingsError: when the shapes do not fit; it shows both.
    """
    wanted = settings.shape()
    fits = len(declared) == len(wanted) and all(
        theirs == ours for theirs, ours in zip(declared[1:], wanted[1:], strict=True) if isinstance(theirs, int)
    )
    if not fits:
        raise ModelSettingsError(
            f"the model's input {name} has the shape {_shown(declared)}, and the settings make {_shown(wanted)}; "
            "change input.size or input.layout"
        )
    return declared[0] if isinstance(declared[0], int) else None


def check_output(shape: Sequence[int], batch: int, settings: ModelSettings, name: str) -> None:
    """Check the shape of what the model returned for a batch.

    Raises:
        ModelSettingsError: when it is not one probability, or one class each, for each picture; it shows both shapes.
    """
    classes = shape[1] if len(shape) == 2 else 1
    if len(shape) not in (1, 2) or shape[0] != batch:
        raise ModelSettingsError(
            f"the model's output {name} has the shape {_shown(shape)} for {batch} pictures, not [{batch}], "
            f"[{batch}, 1] or [{batch}, classes]; name another one with output.name"
        )
    if classes > 1 and (settings.manipulated is None or settings.manipulated >= classes):
        raise ModelSettingsError(
            f"the model's output {name} has the shape {_shown(shape)}, so {classes} classes: "
            f"output.manipulated must say which one means manipulated, from 0 to {classes - 1}"
        )
    if classes == 1 and settings.activation == "softmax":
        raise ModelSettingsError(
            f"the model's output {name} has the shape {_shown(shape)}, one class, and softmax makes 1 of any value; "
            'use output.activation = "sigmoid"'
        )


def _shown(shape: Sequence[object]) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"


def _known(table: Mapping[str, object], keys: tuple[str, ...], prefix: str) -> None:
    for key in table:
        if key not in keys:
            raise ModelSettingsError(f"{prefix}{key} is not known; known are {', '.join(prefix + key for key in keys)}")


def _section(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    value: object = table.get(key, {})
    if not isinstance(value, dict):
        raise ModelSettingsError(f"write {key} as [{key}]")
    return cast("dict[str, Any]", value)


def _text(table: Mapping[str, Any], key: str, prefix: str) -> str | None:
    value: object = table.get(key)
    if value is not None and not isinstance(value, str):
        raise ModelSettingsError(f"{prefix}{key} must be a text, not {value!r}")
    return value


def _required(table: Mapping[str, Any], key: str) -> str:
    value = _text(table, key, "")
    if not value:
        raise ModelSettingsError(f'{key} is missing, such as {key} = "{key}.onnx"')
    return value


def _one_of(table: Mapping[str, Any], key: str, known: tuple[_T, ...], prefix: str) -> _T:
    value: object = table.get(key, known[0])
    for name in known:
        if value == name:
            return name
    raise ModelSettingsError(f"{prefix}{key} must be one of {', '.join(known)}, not {value!r}")


def _whole(value: object, name: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ModelSettingsError(f"{name} must be a whole number from {low} to {high}, not {value!r}")
    return value


def _urls(value: object) -> tuple[str, ...]:
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    for url in values:
        # No message shows the URL: it may hold a password.
        if not isinstance(url, str) or not _is_url(url):
            raise ModelSettingsError(
                "url must be the URL of a server, such as http://gpu-1:8000 or grpc://gpu-1:8001 (https, grpcs), or a "
                "list of them"
            )
    urls = tuple(str(url).rstrip("/") for url in values)
    grpc = [url for url in urls if url.startswith("grpc")]
    if grpc and len(grpc) < len(urls):
        raise ModelSettingsError("url must have servers of one kind: all over http(s), or all over grpc(s)")
    return urls


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in _SCHEMES or not parts.hostname:
        return False
    # A channel of gRPC has no path, and no port of its own.
    return not parts.scheme.startswith("grpc") or (port is not None and parts.path in ("", "/"))


def _timeout(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 3_600:
        raise ModelSettingsError(f"timeout must be a number of seconds above 0, not {value!r}")
    return float(value)


def _names(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value: object = table.get(key, [])
    values = cast("list[object]", value) if isinstance(value, list) else [None]
    if not all(isinstance(name, str) for name in values):
        raise ModelSettingsError(f"{key} must be a list of names, not {value!r}")
    return tuple(str(name) for name in values)


def _numbers(table: Mapping[str, Any], key: str, default: tuple[float, ...]) -> tuple[float, ...]:
    value: object = table.get(key, list(default))
    values = cast("list[object]", value) if isinstance(value, list) else []
    numbers = [
        float(number)
        for number in values
        if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
    ]
    if len(numbers) != 3 or len(values) != 3:
        raise ModelSettingsError(f"input.{key} must be three numbers, one for each colour, not {value!r}")
    return tuple(numbers)
