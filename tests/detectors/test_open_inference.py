"""Models on servers: a real MLServer with two replicas, and a server over HTTP that answers what it should not."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
from model_servers import GREY, PAINTED, judged, loaded, model_server, sample, settings

from ds_actors.detectors import Detector, DetectorError, Invalid, judge_samples, load_detector


@pytest.mark.timeout(300)
def test_a_replica_of_a_real_server_may_die(tmp_path: Path) -> None:
    """The other one judges, over HTTP and over gRPC; when both are gone, the samples are errors."""
    with model_server(tmp_path / "a") as first, model_server(tmp_path / "b") as second:
        for url in (first.http, first.grpc):
            with pytest.raises(
                DetectorError, match=re.escape("the shape [any, 3, 64, 64], and the settings make [batch, 3, 32, 32]")
            ):
                load_detector(settings(tmp_path, url, more="size = [32, 32]\n"))
        with (
            loaded(settings(tmp_path, first.http, second.http)) as by_http,
            loaded(settings(tmp_path, first.grpc, second.grpc)) as by_grpc,
        ):
            both = (by_http, by_grpc)
            for detector in both * 2:
                assert judged(detector, PAINTED, GREY) == [1.0, 0.0]
            first.end()
            for detector in both * 4:
                assert judged(detector, PAINTED, GREY) == [1.0, 0.0]
            second.end()
            for detector in both:
                assert judged(detector, PAINTED, GREY) == ["failed", "failed"]


@contextmanager
def fake_server(metadata: Any, infer: Any, status: int = 200) -> Generator[str]:
    """Answer every request with those values as JSON; `infer` may be a function of the request's body.

    A function that returns an iterator answers with its pieces of bytes.
    """

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, value: Any) -> None:
            if isinstance(value, Iterator):
                self.send_response(200)
                self.end_headers()
                with suppress(OSError):  # the client had enough
                    for piece in cast("Iterator[bytes]", value):
                        self.wfile.write(piece)
                return
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._answer(metadata)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(infer(body) if callable(infer) else infer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


PIXELS = {"inputs": [{"name": "pixels", "datatype": "FP32", "shape": [-1, 3, 64, 64]}]}
ONE = {"outputs": [{"name": "p", "shape": [2], "data": [0.25, 0.5]}]}


@pytest.mark.parametrize(
    ("metadata", "infer", "expected"),
    [
        (b"<html>", ONE, "the model 'patch' was not found on a server: 127.0.0.1: JSONDecodeError"),
        ([], ONE, "127.0.0.1 answered with JSON that is no object"),
        ({"inputs": 3}, ONE, "answered with JSON that does not follow the protocol"),
        (
            {"inputs": [{"name": "a", "shape": 1}]},
            ONE,
            "answered with JSON that does not follow the protocol",
        ),
        (PIXELS, {"outputs": ["p"]}, "answered with JSON that does not follow the protocol"),
        (PIXELS, {"outputs": []}, "the model has no output ''; it has none"),
        (
            PIXELS,
            {"outputs": [{"name": "p", "shape": [3], "data": [1, 2]}]},
            "answered with an output that cannot be read: ValueError: cannot reshape",
        ),
        (PIXELS, {"outputs": [{"name": "p", "shape": [1], "data": [1]}]}, "has the shape [1] for 2 pictures"),
        (
            {"inputs": [{"name": "a"}, {"name": "b"}]},
            ONE,
            "input.name must say which of the model's inputs is meant; it has a, b",
        ),
        (
            {"inputs": [{"name": "a", "datatype": "UINT8", "shape": [1]}]},
            ONE,
            "the model's input a is UINT8, and must be FP32",
        ),
        ({}, ONE, "input.name must say which of the model's inputs is meant; it has none that it describes"),
    ],
)
def test_a_server_that_does_not_fit_is_an_error_at_the_start(
    metadata: Any, infer: Any, expected: str, tmp_path: Path
) -> None:
    """With what it answered."""
    with fake_server(metadata, infer) as url, pytest.raises(DetectorError, match=re.escape(expected)):
        load_detector(settings(tmp_path, url))


def test_a_server_that_refuses_or_is_not_there_names_its_host_alone(tmp_path: Path) -> None:
    """The URL may hold a password."""
    with fake_server({}, {}, 503) as url:
        secret = url.replace("http://", "http://user:secret@")
        with pytest.raises(DetectorError, match=r"127\.0\.0\.1 answered with HTTP 503") as raised:
            load_detector(settings(tmp_path, secret))
    assert "secret" not in str(raised.value)
    with pytest.raises(DetectorError, match=r"was not found on a server: 127\.0\.0\.1: ConnectError"):
        load_detector(settings(tmp_path, "http://127.0.0.1:1"))


def test_a_server_need_not_describe_its_models_and_null_is_no_probability(tmp_path: Path) -> None:
    """JSON has no NaN; the input is named by the settings."""
    named = 'name = "x"\nsize = [64, 64]\n'
    with fake_server({}, ONE) as url, loaded(settings(tmp_path, url, more=named)) as detector:
        assert judged(detector, GREY, GREY) == [0.25, 0.5]
    nothing = {"outputs": [{"name": "p", "shape": [2], "data": [None, 0.5]}]}
    with fake_server({}, nothing) as url, loaded(settings(tmp_path, url, more=named)) as detector:
        assert judged(detector, GREY, GREY) == ["not_a_number", 0.5]


def output(*data: Any, shape: list[int] | None = None, **more: Any) -> dict[str, Any]:
    return {"outputs": [{"name": "p", "shape": [len(data)] if shape is None else shape, "data": list(data)}], **more}


@contextmanager
def turning(folder: Path, later: Callable[[dict[str, Any]], Any], timeout: float = 5.0) -> Generator[Detector]:
    """Load a model whose server answers well at the start, and in another way later."""
    asked: list[dict[str, Any]] = []

    def infer(request: dict[str, Any]) -> Any:
        asked.append(request)
        return ONE if len(asked) == 1 else later(request)

    with fake_server(PIXELS, infer) as url, loaded(settings(folder, url, timeout=timeout)) as detector:
        yield detector


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (output(float("nan"), 0.5), ["not_a_number", 0.5]),
        (output(float("inf"), 0.5), ["not_a_number", 0.5]),
        (output(-0.1, 1.1), ["out_of_range", "out_of_range"]),
        (output(0.5), ["failed", "failed"]),
        (output(0.5, 0.5, 0.5), ["failed", "failed"]),
        (output(0.5, 0.5, shape=[3]), ["failed", "failed"]),
        (output("high", "low"), ["failed", "failed"]),
        (output(0.5, 0.5, id="another"), ["failed", "failed"]),
        ({"outputs": 3}, ["failed", "failed"]),
        ([], ["failed", "failed"]),
        (b"[" * 100_000, ["failed", "failed"]),
    ],
    ids=["nan", "infinite", "range", "few", "many", "shape", "text", "id", "outputs", "list", "deep"],
)
def test_an_answer_that_makes_no_sense_is_an_error_of_its_samples(
    answer: Any, expected: list[Any], tmp_path: Path
) -> None:
    """Never a level; an answer to another request is none to this one."""
    with turning(tmp_path, lambda request: answer) as detector:
        assert judged(detector, GREY, GREY) == expected


@pytest.mark.parametrize(
    "answer", [output("high", "low"), {"outputs": 3}, {"outputs": [3]}, [], {"outputs": [{"name": "p"}]}]
)
def test_a_replica_whose_answer_cannot_be_read_is_passed_over(answer: Any, tmp_path: Path) -> None:
    """Like one that does not answer: the next one judges."""
    later: list[Any] = []

    def infer(request: dict[str, Any]) -> Any:
        return later[0] if later else ONE

    with fake_server(PIXELS, infer) as broken, fake_server(PIXELS, ONE) as url:
        with loaded(settings(tmp_path, broken, url)) as detector:
            later.append(answer)
            assert [judged(detector, GREY, GREY) for _ in range(4)] == [[0.25, 0.5]] * 4


def test_an_answer_repeats_the_identifier_of_its_request(tmp_path: Path) -> None:
    """Each request has another one."""
    seen: list[str] = []

    def infer(request: dict[str, Any]) -> Any:
        seen.append(request["id"])
        return output(0.25, 0.5, id=request["id"])

    with turning(tmp_path, infer) as detector:
        for _ in range(2):
            assert judged(detector, GREY, GREY) == [0.25, 0.5]
    assert len(set(seen)) == 2


def test_an_answer_that_never_ends_is_given_up(tmp_path: Path) -> None:
    """By its bytes, and by its time, however small its pieces are."""

    def endless(request: dict[str, Any]) -> Iterator[bytes]:
        while True:
            yield b" " * 1_000_000

    def dripping(request: dict[str, Any]) -> Iterator[bytes]:
        while not ended.wait(0.05):
            yield b" "

    ended = threading.Event()
    with turning(tmp_path, endless, timeout=60) as detector:
        assert judged(detector, GREY) == ["failed"]
        (found,) = judge_samples(detector, [sample(GREY)])
        assert found == Invalid("failed", "ServerFailed: 127.0.0.1 answered with more than 16 MiB")
    try:
        with turning(tmp_path, dripping, timeout=3) as detector:
            (found,) = judge_samples(detector, [sample(GREY)])
            assert found == Invalid("failed", "ServerFailed: 127.0.0.1 took more than 3 s")
            ended.set()
    finally:
        ended.set()
