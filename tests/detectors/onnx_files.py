"""Small ONNX models: they find the painted patch, and fail in every way, on a picture whose corner is white."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

onnx: Any = pytest.importorskip("onnx", reason="needs onnx")
helper: Any = onnx.helper
pytest.importorskip("onnxruntime", reason="needs onnxruntime")

SIDE = 64
FLOAT = onnx.TensorProto.FLOAT


def scalar(name: str, value: float) -> Any:
    return helper.make_tensor(name, FLOAT, [], [value])


def whole(name: str, values: Sequence[int], shape: Sequence[int] | None = None) -> Any:
    return helper.make_tensor(name, onnx.TensorProto.INT64, [len(values)] if shape is None else shape, values)


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> Any:
    return helper.make_node(kind, inputs, [output], **attributes)


def patch_nodes() -> list[Any]:
    """Return the nodes from `pixels` (batch x 3 x side x side, 0 to 1) to `share` (batch): the share of the patch."""
    nodes = [node("Split", ["pixels"], "", axis=1, num_outputs=3)]
    nodes[0].output[:] = ["red", "green", "blue"]
    for colour in ("red", "green", "blue"):
        nodes += [node("Greater", [colour, "high"], f"{colour}_high"), node("Less", [colour, "low"], f"{colour}_low")]
    for name, parts in (
        ("magenta", ("red_high", "blue_high", "green_low")),
        ("lime", ("green_high", "red_low", "blue_low")),
    ):
        nodes += [
            node("And", parts[:2], f"{name}_two"),
            node("And", [f"{name}_two", parts[2]], f"{name}_all"),
            node("Cast", [f"{name}_all"], f"{name}_number", to=FLOAT),
            node("ReduceMean", [f"{name}_number", "picture_axes"], f"{name}_share", keepdims=0),
        ]
    return [
        *nodes,
        node("Min", ["magenta_share", "lime_share"], "least"),
        node("Mul", ["least", "factor"], "scaled"),
        node("Clip", ["scaled", "zero", "one"], "share"),
    ]


def constants() -> list[Any]:
    return [
        scalar("high", 0.66),
        scalar("low", 0.36),
        scalar("factor", 32.0),
        scalar("zero", 0.0),
        scalar("one", 1.0),
        whole("picture_axes", [1, 2, 3]),
    ]


def save(
    folder: Path,
    nodes: Sequence[Any],
    *,
    output: str,
    batch: int | str = "batch",
    size: int = SIDE,
    settings: str = "",
    more: Sequence[Any] = (),
    kind: int = FLOAT,
) -> Path:
    """Write a model and its settings; return the path of the settings."""
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("pixels", kind, [batch, 3, size, size])],
        [helper.make_tensor_value_info(output, FLOAT, None)],
        [*constants(), *more],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, str(folder / "model.onnx"))
    path = folder / "model.toml"
    path.write_text(settings or f'model = "model.onnx"\n[input]\nsize = [{SIDE}, {SIDE}]\n', "utf-8")
    return path


def patch_model(folder: Path, **options: Any) -> Path:
    """Write a model that finds the painted patch."""
    return save(folder, patch_nodes(), output="share", **options)


def range_model(folder: Path) -> Path:
    """Write a model whose answer to a white picture is infinite, and to the patch 2: 1 / 0, and a doubled share."""
    nodes = [
        *patch_nodes(),
        node("ReduceMean", ["pixels", "picture_axes"], "mean", keepdims=0),
        node("Sub", ["one", "mean"], "dark"),
        node("Div", ["least_dark", "dark"], "flood"),
        node("Add", ["share", "share"], "doubled"),
        node("Add", ["doubled", "flood"], "answer"),
    ]
    return save(folder, nodes, output="answer", more=[scalar("least_dark", 1e-30)])


def counting_model(folder: Path) -> Path:
    """Write a model that has one answer too many when a picture is white."""
    nodes = [
        *patch_nodes(),
        node("ReduceMean", ["pixels"], "brightness", keepdims=0),
        node("Greater", ["brightness", "bright"], "is_white"),
        node("Cast", ["is_white"], "white", to=onnx.TensorProto.INT64),
        node("Reshape", ["white", "single"], "count"),
        node("Expand", ["zero", "count"], "surplus"),
        node("Concat", ["share", "surplus"], "answer", axis=0),
    ]
    return save(folder, nodes, output="answer", more=[scalar("bright", 0.95), whole("single", [1])])


def nan_model(folder: Path) -> Path:
    """Write a model that returns NaN for a white picture: 0 / 0."""
    nodes = [
        *patch_nodes(),
        node("ReduceMean", ["pixels", "picture_axes"], "mean", keepdims=0),
        node("Sub", ["one", "mean"], "dark"),
        node("Mul", ["share", "dark"], "product"),
        node("Div", ["product", "dark"], "answer"),
    ]
    return save(folder, nodes, output="answer")


def looping_model(folder: Path) -> Path:
    """Write a model that runs for ever on a white picture: a loop whose count grows with its brightness."""
    body = helper.make_graph(
        [node("Identity", ["go_in"], "go_out"), node("Add", ["sum_in", "step"], "sum_out")],
        "body",
        [
            helper.make_tensor_value_info("number", onnx.TensorProto.INT64, []),
            helper.make_tensor_value_info("go_in", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_in", FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("go_out", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_out", FLOAT, [1]),
        ],
        [scalar("step", 0.0)],
    )
    nodes = [
        *patch_nodes(),
        node("ReduceMean", ["pixels"], "brightness", keepdims=0),
        node("Greater", ["brightness", "bright"], "is_white"),
        node("Cast", ["is_white"], "white", to=onnx.TensorProto.INT64),
        node("Mul", ["white", "for_ever"], "count"),
        helper.make_node("Loop", ["count", "", "start"], ["ended"], body=body),
        node("Add", ["share", "ended"], "answer"),
    ]
    more = [
        scalar("bright", 0.95),
        whole("for_ever", [2**40], []),
        helper.make_tensor("start", FLOAT, [1], [0.0]),
    ]
    return save(folder, nodes, output="answer", more=more)


def greedy_model(folder: Path) -> Path:
    """Write a model that takes gigabytes on a white picture: it expands a number to as many as the brightness says."""
    nodes = [
        *patch_nodes(),
        node("ReduceMean", ["pixels"], "brightness", keepdims=0),
        node("Greater", ["brightness", "bright"], "is_white"),
        node("Cast", ["is_white"], "white", to=onnx.TensorProto.INT64),
        node("Mul", ["white", "many"], "most"),
        node("Max", ["most", "single"], "count"),
        node("Expand", ["one", "count"], "numbers"),
        node("CumSum", ["numbers", "axis"], "sums"),
        node("CumSum", ["sums", "axis"], "more_sums"),
        node("ReduceMax", ["more_sums"], "largest", keepdims=0),
        node("Mul", ["largest", "zero"], "nothing"),
        node("Add", ["share", "nothing"], "answer"),
    ]
    more = [scalar("bright", 0.95), whole("many", [200_000_000]), whole("single", [1]), whole("axis", [0], [])]
    return save(folder, nodes, output="answer", more=more)


def failing_model(folder: Path) -> Path:
    """Write a model that fails on a white picture: an index out of bounds."""
    nodes = [
        *patch_nodes(),
        node("ReduceMean", ["pixels"], "brightness", keepdims=0),
        node("Greater", ["brightness", "bright"], "is_white"),
        node("Cast", ["is_white"], "white", to=onnx.TensorProto.INT64),
        node("Gather", ["table", "white"], "found"),
        node("Add", ["share", "found"], "answer"),
    ]
    more = [scalar("bright", 0.95), helper.make_tensor("table", FLOAT, [1], [0.0])]
    return save(folder, nodes, output="answer", more=more)
