"""Models on servers over gRPC: a server that answers what it should not. MLServer is in test_open_inference.py."""

from __future__ import annotations

import re
import struct
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from fake_grpc import Metadata, Output, answer, fake_grpc, grpc, output, pixels
from model_servers import GREY, PAINTED, judged, loaded, settings

from ds_actors._extras import install_command
from ds_actors.detectors import DetectorError, load_detector

HALVES = answer(output(2), raw=[struct.pack("<2f", 0.25, 0.5)])


@pytest.mark.parametrize(
    "found",
    [
        HALVES,
        answer(output(2, 1, datatype="FP64"), raw=[struct.pack("<2d", 0.25, 0.5)]),
        answer(output(2, datatype="FP16"), raw=[struct.pack("<2e", 0.25, 0.5)]),
        answer(output(2, values=[0.25, 0.5])),
    ],
)
def test_outputs_are_read_as_bytes_of_any_float_and_as_typed_values(found: Any, tmp_path: Path) -> None:
    """Some servers answer with typed values although they were asked with bytes."""
    with fake_grpc([pixels()], found) as url, loaded(settings(tmp_path, url)) as detector:
        assert judged(detector, GREY, GREY) == [0.25, 0.5]


def test_the_server_gets_the_pixels_as_bytes(tmp_path: Path) -> None:
    """With the input's name, type and shape."""
    requests: list[Any] = []

    def infer(request: Any, context: Any) -> Any:
        requests.append(request)
        return HALVES

    with fake_grpc([pixels()], infer) as url, loaded(settings(tmp_path, url)) as detector:
        judged(detector, GREY, PAINTED)
    (entry,) = requests[-1].inputs
    assert (requests[-1].model_name, entry.name, entry.datatype) == ("patch", "pixels", "FP32")
    assert list(entry.shape) == [2, 3, 64, 64]
    (raw,) = requests[-1].raw_input_contents
    assert len(raw) == 4 * 2 * 3 * 64 * 64
    assert struct.unpack("<f", raw[:4])[0] == pytest.approx(128 / 255)


NO_NUMBERS = [float("nan"), float("inf"), -0.5, 1.5]


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_no_probability_is_an_error_of_its_sample(value: float, tmp_path: Path) -> None:
    """The other one of its batch is judged."""
    raw = answer(output(2), raw=[struct.pack("<2f", value, 0.5)])
    fault = "out_of_range" if abs(value) < 2 else "not_a_number"
    with fake_grpc([pixels()], raw) as url, loaded(settings(tmp_path, url)) as detector:
        assert judged(detector, GREY, GREY) == [fault, 0.5]


@pytest.mark.parametrize(
    ("inputs", "infer", "expected"),
    [
        ([pixels(-1, 3, 32, 32)], HALVES, "has the shape [any, 3, 32, 32], and the settings make [batch, 3, 64, 64]"),
        ([pixels(datatype="UINT8")], HALVES, "the model's input pixels is UINT8, and must be FP32"),
        ([pixels(), pixels(name="more")], HALVES, "input.name must say which of the model's inputs is meant"),
        ([], HALVES, "input.name must say which of the model's inputs is meant; it has none that it describes"),
        ([pixels()], answer(), "the model has no output ''; it has none"),
        ([pixels()], answer(output(3), raw=[bytes(8)]), "answered with an output that cannot be read: ValueError"),
        ([pixels()], answer(output(1), raw=[bytes(4)]), "has the shape [1] for 2 pictures"),
        (
            [pixels()],
            answer(output(2, datatype="BYTES"), raw=[b"ab"]),
            "the model's output p is BYTES, and must be one",
        ),
        ([pixels()], answer(output(2, 4), raw=[bytes(32)]), "has the shape [2, 4], so 4 classes"),
    ],
)
def test_a_server_that_does_not_fit_is_an_error_at_the_start(
    inputs: list[Metadata], infer: Any, expected: str, tmp_path: Path
) -> None:
    """With what it answered; wrong shapes are shown both."""
    with fake_grpc(inputs, infer) as url, pytest.raises(DetectorError, match=re.escape(expected)):
        load_detector(settings(tmp_path, url))


def test_a_server_that_refuses_hangs_or_is_not_there_names_its_host_alone(tmp_path: Path) -> None:
    """With gRPC's code; the URL may hold a password."""
    ended = threading.Event()

    def refuse(request: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.INTERNAL, "out of memory\x1b[2J")

    def hang(request: Any, context: Any) -> Any:
        ended.wait(60)
        return HALVES

    with fake_grpc([pixels()], refuse) as url, pytest.raises(DetectorError) as raised:
        load_detector(settings(tmp_path, url.replace("grpc://", "grpc://user:secret@")))
    assert "ServerFailed: 127.0.0.1: INTERNAL: out of memory[2J" in str(raised.value)
    assert "secret" not in str(raised.value)
    try:
        with fake_grpc([pixels()], hang) as url, pytest.raises(DetectorError, match=r"127\.0\.0\.1: DEADLINE_EXCEEDED"):
            load_detector(settings(tmp_path, url, timeout=0.5))
    finally:
        ended.set()
    with pytest.raises(DetectorError, match=r"was not found on a server: 127\.0\.0\.1: UNAVAILABLE"):
        load_detector(settings(tmp_path, "grpc://127.0.0.1:1"))


def test_a_failing_replica_costs_nothing_while_another_one_judges(tmp_path: Path) -> None:
    """Each batch asks the next one first; when all fail, the samples are errors."""
    failing = threading.Event()

    def sometimes(request: Any, context: Any) -> Any:
        if failing.is_set():
            context.abort(grpc.StatusCode.UNAVAILABLE, "draining")
        return HALVES

    with fake_grpc([pixels()], sometimes) as first, fake_grpc([pixels()], HALVES) as second:
        with loaded(settings(tmp_path, first, second)) as detector:
            failing.set()
            for _ in range(4):
                assert judged(detector, GREY, GREY) == [0.25, 0.5]
        with loaded(settings(tmp_path, second)) as alone:
            assert judged(alone, GREY, GREY) == [0.25, 0.5]
    with fake_grpc([pixels()], sometimes) as url:
        failing.clear()
        with loaded(settings(tmp_path, url)) as detector:
            failing.set()
            assert judged(detector, GREY, GREY) == ["failed", "failed"]


@pytest.mark.parametrize(
    "found",
    [
        answer(output(1), raw=[bytes(4)]),
        answer(output(3), raw=[bytes(12)]),
        answer(output(2), raw=[bytes(9)]),
        answer(output(2)),
        answer(output(2, datatype="BYTES"), raw=[b"ab"]),
        answer(),
        answer(output(2), raw=[bytes(8)], id="another"),
        answer(output(2), raw=[bytes(20 << 20)]),
    ],
    ids=["few", "many", "bytes", "empty", "type", "none", "id", "large"],
)
def test_an_answer_that_makes_no_sense_is_an_error_of_its_samples(found: Any, tmp_path: Path) -> None:
    """Never a level; an answer to another request is none to this one."""
    answers = [HALVES]

    def infer(request: Any, context: Any) -> Any:
        return answers[-1]

    with fake_grpc([pixels()], infer) as url:
        with loaded(settings(tmp_path, url)) as detector:
            answers.append(found)
            assert judged(detector, GREY, GREY) == ["failed", "failed"]
            answers.append(HALVES)
            assert judged(detector, GREY, GREY) == [0.25, 0.5]


def test_a_server_need_not_describe_its_models(tmp_path: Path) -> None:
    """The settings name the input; an output is named where there are several."""
    named = 'name = "x"\nsize = [64, 64]\n[output]\nname = "q"\n'
    several = answer(output(2, name="p", datatype="BYTES"), output(2, name="q"), raw=[b"", struct.pack("<2f", 0, 1)])
    with fake_grpc([], several) as url, loaded(settings(tmp_path, url, more=named)) as detector:
        assert judged(detector, GREY, GREY) == [0.0, 1.0]


def test_without_grpcio_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra, and what it is for."""
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(DetectorError, match=re.escape(install_command("grpc"))):
        load_detector(settings(tmp_path, "grpc://127.0.0.1:1"))


def test_messages_are_in_a_package_of_their_own() -> None:
    """The pool of descriptors is one for all libraries: another client of the protocol may be there, too."""
    assert Output.DESCRIPTOR.full_name.startswith("ds_actors.open_inference.")
