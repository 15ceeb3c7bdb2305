"""Finds a detector by what a command line says: a name in a module, or an entry point."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, cast

from ds_actors.detectors.findings import described
from ds_actors.detectors.model_settings import ModelSettingsError, parse_settings
from ds_actors.detectors.protocol import Detector, FunctionDetector, JudgeFunction

ENTRY_POINTS: Final = "ds_actors.detectors"
"""The group of entry points in which packages announce their detectors."""

_IN_A_MODULE: Final = re.compile(r"([\w.]+):([\w.]+)(\(\))?")


class DetectorError(ValueError):
    """A detector cannot be found or loaded; the message says why, and what to do."""


def load_detector(spec: str) -> Detector:
    """Return the detector of a spec.

    Args:
        spec: `module:name`, or the name of an entry point in the group `ds_actors.detectors`. The name leads to a
            function of one picture, a class that is made without arguments, or an object with `judge`; with `()` at the
            end, to a function that returns one of these. Or the path of a TOML file about a model: an ONNX
            file, or one of a server that speaks the Open Inference Protocol.

    Raises:
        DetectorError: when it leads to nothing usable, or its code raises.
    """
    found = _found(spec)
    try:
        if spec.endswith("()"):
            found = found() if callable(found) else found
        elif inspect.isclass(found) and hasattr(found, "judge"):
            found = found()
    except Exception as error:
        raise DetectorError(f"{spec} cannot be loaded: {described(error)}") from error
    return as_detector(found, spec)


def as_detector(found: object, name: str = "the detector") -> Detector:
    """Return an object with `judge` as it is, and a function as a detector.

    Raises:
        DetectorError: when it is neither.
    """
    if isinstance(found, Detector) and not inspect.isclass(found):
        return found
    if callable(found) and not inspect.isclass(found):
        return FunctionDetector(cast("JudgeFunction", found))
    raise DetectorError(
        f"{name} is of type {type(found).__name__}: write a function judge(image) that returns a probability, "
        "or a class with a method judge(samples)"
    )


def _found(spec: str) -> object:
    if spec.endswith(".toml"):
        return _loaded(spec, lambda: _of_file(spec))
    file, _, name = spec.partition(":")
    if file.endswith(".py"):
        raise DetectorError(
            f"{file} is a file, and a spec names a module, in the folder of the file: "
            f"{Path(file).stem}:{name or 'judge'}"
        )
    if spec.endswith(".onnx"):
        raise DetectorError(_without_settings(Path(spec)))
    match = _IN_A_MODULE.fullmatch(spec)
    if match is not None:
        return _in_module(spec, match[1], match[2])
    name = spec.removesuffix("()")
    known = entry_points(group=ENTRY_POINTS)
    if name in known.names:
        return _loaded(spec, known[name].load)
    others = ", ".join(sorted(known.names)) or "none"
    raise DetectorError(
        f"no detector is called {spec!r} (installed: {others}); your own is module:name, or a .toml file"
    )


def _without_settings(model: Path) -> str:
    try:
        from ds_actors.detectors.onnx_model import declared  # noqa: PLC0415 - it needs an extra

        known = f"; the model declares {declared(model)}"
    except (ModelSettingsError, ModuleNotFoundError):
        known = ""
    return (
        f"{model} needs a file {model.with_suffix('.toml').name} that says what goes in and what comes out, such as "
        f'model = "{model.name}", [input] size = [224, 224], [output] activation = "sigmoid"{known}; '
        "give the .toml file as the detector"
    )


def _of_file(path: str) -> Detector:
    try:
        settings = parse_settings(Path(path).read_text("utf-8"))
    except OSError as error:
        raise ModelSettingsError(f"it cannot be read: {error.strerror or error}") from None
    # Only here: each needs an extra.
    if settings.over_grpc:
        from ds_actors.detectors.open_inference_grpc import GrpcInferenceDetector  # noqa: PLC0415

        return GrpcInferenceDetector(settings)
    if settings.urls:
        from ds_actors.detectors.open_inference import OpenInferenceDetector  # noqa: PLC0415

        return OpenInferenceDetector(settings)
    from ds_actors.detectors.onnx_model import OnnxDetector  # noqa: PLC0415

    return OnnxDetector(settings, Path(path).parent)


def _in_module(spec: str, module: str, name: str) -> object:
    def load() -> object:
        try:
            found: object = import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module.partition(".")[0]:
                raise
            where = "modules are looked for in the current folder and among the installed packages"
            raise DetectorError(f"{spec} cannot be loaded: {described(error)}; {where}") from error
        try:
            for part in name.split("."):
                found = getattr(found, part)
        except AttributeError as error:
            near = get_close_matches(str(error.name), dir(error.obj), n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise DetectorError(f"{spec} cannot be loaded: {described(error)}{meant}") from error
        return found

    return _loaded(spec, load)


def _loaded(spec: str, load: Callable[[], object]) -> object:
    try:
        return load()
    except DetectorError:
        raise
    except ModelSettingsError as error:
        raise DetectorError(f"{spec}: {error}") from None
    except Exception as error:
        raise DetectorError(f"{spec} cannot be loaded: {described(error)}") from error
