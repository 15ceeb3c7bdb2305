"""A detector on servers that speak the Open Inference Protocol over HTTP, as Triton, KServe, OVMS and MLServer do.

It needs httpx, which the extra `inference` brings. Source: the protocol's "HTTP/REST" section, version 2.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from ds_actors.detectors.findings import described
from ds_actors.detectors.model_settings import ModelSettings, ModelSettingsError, check_input
from ds_actors.detectors.tensors import TensorDetector

_FLOAT: Final = "FP32"


class ServerFailed(Exception):
    """No server judged the batch; the message holds no more of a URL than its host."""


class OpenInferenceDetector(TensorDetector):
    """Sends batches to one server after the other; one that fails is passed over for the next.

    Raises:
        ModelSettingsError: when no server has the model, or the settings do not fit it; shows both shapes.
        ModuleNotFoundError: without httpx.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        self._httpx: Any = _httpx()
        self._client: Any = self._httpx.Client(timeout=settings.timeout)
        self._next: int = 0
        try:
            self._input: str = self._find_input()
            self.try_grey()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def run(self, pixels: NDArray[np.float32]) -> tuple[str, NDArray[Any]]:
        """Return the output's name and the output for a batch."""
        tensor = {"name": self._input, "shape": list(pixels.shape), "datatype": _FLOAT, "data": pixels.ravel().tolist()}
        answer = self._request("POST", "/infer", {"inputs": [tensor]})
        outputs = cast("list[dict[str, Any]]", answer.get("outputs") or [])
        wanted = self.settings.output
        found = next((output for output in outputs if wanted in (None, output.get("name"))), None)
        if found is None:
            names = ", ".join(str(output.get("name")) for output in outputs) or "none"
            raise ModelSettingsError(f"the model has no output {wanted or ''!r}; it has {names}")
        return str(found["name"]), np.asarray(found["data"], np.float64).reshape(found["shape"])

    def _find_input(self) -> str:
        try:
            answer = self._request("GET", "", None)
        except ServerFailed as error:
            raise ModelSettingsError(f"the model {self.settings.model!r} was not found on a server: {error}") from None
        declared = cast("list[dict[str, Any]]", answer.get("inputs") or [])
        inputs = {str(entry["name"]): entry for entry in declared}
        wanted = self.settings.input
        if not inputs and wanted is not None:
            return wanted  # a server need not describe its models
        if wanted is None and len(inputs) != 1:
            names = ", ".join(inputs) or "none that it describes"
            raise ModelSettingsError(f"input.name must say which of the model's inputs is meant; it has {names}")
        if wanted is not None and wanted not in inputs:
            raise ModelSettingsError(f"the model has no input {wanted!r}; it has {', '.join(inputs)}")
        entry = inputs[wanted or next(iter(inputs))]
        kind = entry.get("datatype")
        if kind != _FLOAT:
            raise ModelSettingsError(f"the model's input {entry['name']} is {kind}, and must be {_FLOAT}")
        shape = [None if size == -1 else size for size in cast("list[int]", entry["shape"])]
        self.batch: int | None = check_input(shape, self.settings, str(entry["name"]))
        return str(entry["name"])

    def _request(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        """Ask the servers in turn, each once.

        Raises:
            ServerFailed: when none of them answers with 200 and JSON.
        """
        problems: list[str] = []
        for _ in self.settings.urls:
            url = self.settings.urls[self._next % len(self.settings.urls)]
            self._next += 1
            try:
                answer = self._client.request(method, f"{url}/v2/models/{quote(self.settings.model)}{path}", json=body)
                if answer.status_code == 200:
                    return cast("dict[str, Any]", answer.json())
                problems.append(f"{urlsplit(url).hostname} answered with HTTP {answer.status_code}")
            except (self._httpx.HTTPError, ValueError) as error:
                problems.append(f"{urlsplit(url).hostname}: {described(error)}")
        raise ServerFailed("; ".join(problems))


def _httpx() -> Any:
    try:
        return import_module("httpx")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{error.name} is missing: a model on a server needs pip install "ds-actors[inference]" '
            '(in a clone: ".[inference]")',
            name=error.name,
        ) from None
