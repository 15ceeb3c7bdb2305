"""A detector on servers that speak the Open Inference Protocol over gRPC: pixels travel as bytes, not as JSON.

It needs grpcio, which the extra `grpc` brings. Source: the protocol's "gRPC" section, version 2.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
from attrs import define
from numpy.typing import NDArray

from ds_actors._extras import install_command
from ds_actors.detection.events import plain
from ds_actors.detectors import _open_inference_pb2 as wire
from ds_actors.detectors.findings import REASON_LIMIT
from ds_actors.detectors.model_settings import ModelSettings, ModelSettingsError
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

_SERVICE: Final = "/inference.GRPCInferenceService"
_OPTIONS: Final = (
    ("grpc.max_reconnect_backoff_ms", 5_000),  # a replica that comes back is asked again soon; gRPC's own is 2 minutes
    ("grpc.max_receive_message_length", LARGEST_ANSWER),
)
_TYPES: Final = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}


class GrpcInferenceDetector(ServedDetector):
    """A model on one or several servers, asked over gRPC.

    Raises:
        ModelSettingsError: when no server has the model, or the settings do not fit it; shows both shapes.
        ModuleNotFoundError: without grpcio.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        self._grpc: Any = _grpc()
        self._servers: dict[str, _Server] = {url: _server(self._grpc, url) for url in settings.urls}
        self.connect()

    def close(self) -> None:
        """Close its connections."""
        for server in self._servers.values():
            server.channel.close()

    def describe(self, url: str) -> list[DeclaredTensor]:
        """Return the model's inputs."""
        answer = self._ask(self._servers[url].metadata, wire.ModelMetadataRequest(name=self.settings.model))
        return [DeclaredTensor(entry.name, entry.datatype, declared_shape(entry.shape)) for entry in answer.inputs]

    def infer(self, url: str, name: str, pixels: NDArray[np.float32]) -> list[ServedOutput]:
        """Return the model's outputs for a batch."""
        tensor = wire.ModelInferRequest.InferInputTensor(name=name, datatype=FLOAT, shape=pixels.shape)
        asked = self.next_id()
        raw_pixels = pixels.astype("<f4").tobytes()
        request = wire.ModelInferRequest(
            model_name=self.settings.model, id=asked, inputs=[tensor], raw_input_contents=[raw_pixels]
        )
        answer: wire.ModelInferResponse = self._ask(self._servers[url].infer, request)
        check_id(answer.id, asked)
        raw = answer.raw_output_contents
        return [
            ServedOutput(output.name, _reader(output, raw[place] if place < len(raw) else None))
            for place, output in enumerate(answer.outputs)
        ]

    def _ask(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=self.settings.timeout)
        except self._grpc.RpcError as error:
            raise ServerFailed(f": {error.code().name}: {plain(str(error.details()), REASON_LIMIT)}") from None


@define(eq=False)
class _Server:
    channel: Any
    metadata: Any
    infer: Any


def _server(grpc: Any, url: str) -> _Server:
    address = urlsplit(url).netloc.rpartition("@")[2]
    if url.startswith("grpcs:"):
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(), _OPTIONS)
    else:
        channel = grpc.insecure_channel(address, _OPTIONS)

    def method(name: str, answer: Any) -> Any:
        return channel.unary_unary(
            f"{_SERVICE}/{name}", request_serializer=_serialized, response_deserializer=answer.FromString
        )

    return _Server(
        channel, method("ModelMetadata", wire.ModelMetadataResponse), method("ModelInfer", wire.ModelInferResponse)
    )


def _serialized(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _reader(output: wire.ModelInferResponse.InferOutputTensor, raw: bytes | None) -> Any:
    def read() -> NDArray[np.float64]:
        if output.datatype not in _TYPES:
            raise ModelSettingsError(
                f"the model's output {output.name} is {output.datatype or 'of no type'}, and must be one of "
                f"{', '.join(_TYPES)}"
            )
        # Some servers answer with typed values although they were asked with bytes.
        values: Any = output.contents.fp32_contents or output.contents.fp64_contents
        if raw is not None:
            values = np.frombuffer(raw, _TYPES[output.datatype])
        return np.asarray(values, np.float64).reshape(tuple(output.shape))

    return read


def _grpc() -> Any:
    try:
        return import_module("grpc")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"grpcio is missing: a model on a server that is asked over gRPC needs {install_command('grpc')}",
            name=error.name,
        ) from None
