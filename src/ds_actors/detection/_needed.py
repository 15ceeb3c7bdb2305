"""Imported first, to report the missing extra instead of a missing module."""

from __future__ import annotations

from importlib import import_module

from ds_actors._extras import install_command

try:
    for _name in ("numpy", "PIL", "google.protobuf", "trio_websocket"):
        import_module(_name)
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"{error.name} is missing: ds_actors.detection, detectors, serving and sandbox need "
        + install_command("detection"),
        name=error.name,
    ) from None
