"""A server of the Open Inference Protocol over gRPC that answers what a test says."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ds_actors.detectors import _open_inference_pb2 as wire

grpc: Any = import_module("grpc")  # it has no types
Metadata = wire.ModelMetadataResponse.TensorMetadata
Output = wire.ModelInferResponse.InferOutputTensor


def pixels(*shape: int, datatype: str = "FP32", name: str = "pixels") -> Metadata:
    """Describe an input; -1 is any size."""
    return Metadata(name=name, datatype=datatype, shape=shape or (-1, 3, 64, 64))


def output(*shape: int, datatype: str = "FP32", name: str = "p", values: list[float] | None = None) -> Output:
    """Return an output; with values, as typed contents."""
    found = Output(name=name, datatype=datatype, shape=shape)
    if values is not None:
        found.contents.fp32_contents.extend(values)
    return found


def answer(*outputs: Output, raw: list[bytes] | None = None, id: str = "") -> wire.ModelInferResponse:
    """Return the answer to a batch."""
    return wire.ModelInferResponse(id=id, outputs=outputs, raw_output_contents=raw or [])


def _serialized(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


@contextmanager
def fake_grpc(inputs: list[Metadata], infer: wire.ModelInferResponse | Any) -> Generator[str]:
    """Answer every request with those messages; a function gets the request and its context."""
    metadata = wire.ModelMetadataResponse(inputs=inputs)

    def method(found: Any, request: Any) -> Any:
        handle = found if callable(found) else lambda _request, _context: found
        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=request.FromString,
            response_serializer=_serialized,
        )

    methods = {
        "ModelMetadata": method(metadata, wire.ModelMetadataRequest),
        "ModelInfer": method(infer, wire.ModelInferRequest),
    }
    server: Any = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("inference.GRPCInferenceService", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
