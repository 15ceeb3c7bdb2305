"""A detector on servers that speak the Open Inference Protocol over HTTP, as Triton, KServe, OVMS and MLServer do.

It needs httpx, which the extra `inference` brings. Source: the protocol's "HTTP/REST" section, version 2.
"""

from __future__ import annotations

import json
import time
from importlib import import_module
from typing import Any, Final, cast
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from ds_actors._extras import install_command
from ds_actors.detectors.findings import described
from ds_actors.detectors.model_settings import ModelSettings
from ds_actors.detectors.served_model import (
    FLOAT,
    LARGEST_ANSWER,
    DeclaredTensor,
    ServedDetector,
    ServedOutput,
    ServerFailed,
    check_id,
    declared_shape,
)

_PROTOCOL: Final = " answered with JSON that does not follow the protocol"


class OpenInferenceDetector(ServedDetector):
    """A model on one or several servers, asked over HTTP.

    Raises:
        ModelSettingsError: when no server has the model, or the settings do not fit it; shows both shapes.
        ModuleNotFoundError: without httpx.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        self._httpx: Any = _httpx()
        self._client: Any = self._httpx.Client(timeout=settings.timeout)
        self.connect()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def describe(self, url: str) -> list[DeclaredTensor]:
        """Return the model's inputs."""
        declared = _objects(self._request("GET", url, "", None).get("inputs"))
        try:
            return [
                DeclaredTensor(str(entry["name"]), str(entry.get("datatype")), declared_shape(entry.get("shape", [])))
                for entry in declared
            ]
        except (LookupError, TypeError):
            raise ServerFailed(_PROTOCOL) from None

    def infer(self, url: str, name: str, pixels: NDArray[np.float32]) -> list[ServedOutput]:
        """Return the model's outputs for a batch."""
        tensor = {"name": name, "shape": list(pixels.shape), "datatype": FLOAT, "data": pixels.ravel().tolist()}
        asked = self.next_id()
        answer = self._request("POST", url, "/infer", {"id": asked, "inputs": [tensor]})
        check_id(answer.get("id"), asked)
        return [ServedOutput(str(output.get("name")), _reader(output)) for output in _objects(answer.get("outputs"))]

    def _request(self, method: str, url: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        address = f"{url}/v2/models/{quote(self.settings.model)}{path}"
        # httpx's timeouts are those of single reads and writes.
        ends, data = time.monotonic() + self.settings.timeout, bytearray()
        try:
            with self._client.stream(method, address, json=body) as answer:
                if answer.status_code != 200:
                    raise ServerFailed(f" answered with HTTP {answer.status_code}")
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > LARGEST_ANSWER:
                        raise ServerFailed(f" answered with more than {LARGEST_ANSWER >> 20} MiB")
                    if time.monotonic() > ends:
                        raise ServerFailed(f" took more than {self.settings.timeout:g} s")
            answered = json.loads(data)
        except (self._httpx.HTTPError, ValueError, RecursionError) as error:
            raise ServerFailed(f": {described(error)}") from None
        if not isinstance(answered, dict):
            raise ServerFailed(" answered with JSON that is no object")
        return cast("dict[str, Any]", answered)


def _objects(found: object) -> list[dict[str, Any]]:
    if not found:
        return []
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in cast("list[object]", found)):
        raise ServerFailed(_PROTOCOL)
    return cast("list[dict[str, Any]]", found)


def _reader(output: dict[str, Any]) -> Any:
    return lambda: np.asarray(output["data"], np.float64).reshape(output["shape"])


def _httpx() -> Any:
    try:
        return import_module("httpx")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error.name} is missing: a model on a server needs {install_command('inference')}",
            name=error.name,
        ) from None
