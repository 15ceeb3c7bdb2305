"""The service on a real socket, with models in processes of their own."""

from __future__ import annotations

import logging
import os
import signal
import socket
import ssl
from pathlib import Path

import hostile_models
import pytest
import trio
import trustme
from serving_kit import HOSTILE, UPGRADE, always, answer, connect, jpeg, level, masked, message
from trio_websocket import ConnectionClosed, ConnectionRejected, open_websocket_url
from waiting import until_in_trio

from ds_actors.detection.events import ResultType
from ds_actors.detectors import DetectorError, Finding, Thresholds
from ds_actors.serving import ClientLimits, DetectorService, ModelLimits, QueueLimits, ServiceStatus, open_service

pytestmark = pytest.mark.timeout(200)  # each starts processes that import numpy and Pillow

PATIENT = QueueLimits(deadline=120.0)
"""A slow machine may take its time, where the deadline is not the claim."""


def accounted(status: ServiceStatus) -> bool:
    answers = sum(status.answered.values()) + status.unwritten + status.unsent
    return status.received == answers + status.waiting + status.judging


async def ready(service: DetectorService) -> None:
    with trio.fail_after(100):
        await service.wait_ready()


async def test_a_sample_is_judged_and_answered() -> None:
    """The level follows from the probability; the answer carries participant and track."""
    async with open_service(HOSTILE, queue=PATIENT) as service:
        await ready(service)
        async with connect(service.url) as websocket:
            await websocket.send_message(message(256, painted=0.5))
            result = await answer(websocket)
            assert (result.participant, result.track) == ("alice", "TR_a")
            assert ResultType.from_wire(result.number) is ResultType.ALERT
            await websocket.send_message(message())
            assert await level(websocket) == "clear"
        await until_in_trio(lambda: service.status().connections == 0)
        status = service.status()
    assert (status.received, status.answered, status.batches) == (2, {"alert": 1, "clear": 1}, 2)


async def test_an_answer_goes_to_the_client_that_sent_the_sample_whoever_else_uses_its_names() -> None:
    """Two clients with one participant and one track: each hears of its own picture, and of nothing more."""
    async with (
        open_service(HOSTILE, queue=PATIENT) as service,
        connect(service.url) as one,
        connect(service.url) as other,
    ):
        await ready(service)
        for _ in range(3):
            await one.send_message(message(256, painted=0.5))
            await other.send_message(message())
            assert (await level(one), await level(other)) == ("alert", "clear")
        await other.send_message(message())
        assert await level(other) == "clear"
        with trio.move_on_after(0.5) as waited:
            await one.get_message()
        assert waited.cancelled_caught


async def test_samples_that_arrive_before_a_model_is_loaded_are_judged() -> None:
    """It listens at once."""
    async with open_service(HOSTILE, queue=PATIENT) as service:
        assert service.status().state == "loading"
        async with connect(service.url) as websocket:
            await websocket.send_message(message())
            assert await level(websocket) == "clear"
        assert service.status().state == "ready"


@pytest.mark.parametrize(
    ("width", "limits", "cause"),
    [
        (hostile_models.DIES, ModelLimits(), "was ended by signal 6"),
        (hostile_models.HANGS, ModelLimits(batch_timeout=5.0), "did not judge a batch within 5 s"),
        (hostile_models.LEAKS, ModelLimits(memory=350 << 20, batch_timeout=100.0), "over the limit of 350 MiB"),
    ],
    ids=["crash", "hang", "leak"],
)
async def test_a_model_that_is_lost_costs_its_batch_and_is_replaced(
    width: int, limits: ModelLimits, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says why, and the next sample is judged."""
    async with open_service(HOSTILE, queue=PATIENT, models=limits) as service:
        await ready(service)
        async with connect(service.url) as websocket:
            await websocket.send_message(message(width))
            result = await answer(websocket)
            assert ResultType.from_wire(result.number) is ResultType.ERROR
            assert result.message == "The model process failed on this batch."
            await websocket.send_message(message(256, painted=0.5))
            assert await level(websocket) == "alert"
        assert service.status().lost == 1
    assert [cause in record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [True]


async def test_a_model_that_is_killed_does_not_disturb_another_one() -> None:
    """Two workers, of which one hangs: the other one judges meanwhile."""
    limits = ModelLimits(workers=2, batch_timeout=30.0)
    async with open_service(HOSTILE, queue=PATIENT, models=limits) as service:
        await ready(service)
        await until_in_trio(lambda: "loading" not in service.status().workers.values(), 100)
        async with connect(service.url) as one, connect(service.url) as other:
            await one.send_message(message(hostile_models.HANGS, track="TR_one"))
            await until_in_trio(lambda: service.status().judging == 1)
            for _ in range(3):
                await other.send_message(message(track="TR_other"))
                assert await level(other) == "clear"
            assert service.status().judging == 1
        assert sorted(service.status().workers.values()) == ["busy", "idle"]


async def test_errors_and_nonsense_of_a_detector_are_errors_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Never a level; the counts are in the status, and the line holds no identity."""
    async with open_service(HOSTILE, queue=PATIENT) as service:
        await ready(service)
        async with connect(service.url) as websocket:
            for width in (hostile_models.NAN, hostile_models.FAILS, hostile_models.NAN):
                await websocket.send_message(message(width))
                assert await level(websocket) == "error"
            await websocket.send_message(message(data=b"pixels"))
            assert await level(websocket) == "error"
        assert service.status().faults == {"not_a_number": 2, "failed": 1, "unreadable": 1}
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert line == "1 sample got an error instead of a verdict (not_a_number 1); the last: nan"


async def test_no_probability_is_unknown_and_no_verdict() -> None:
    """With its reason."""
    async with open_service(always(Finding(reason="no_face")), queue=PATIENT) as service:
        async with connect(service.url) as websocket:
            await websocket.send_message(message())
            result = await answer(websocket)
    assert (ResultType.from_wire(result.number), result.message) == (ResultType.UNKNOWN, "No verdict: no_face")


async def test_thresholds_decide_the_level() -> None:
    """The same probability, other thresholds."""
    for thresholds, expected in ((Thresholds(0.5, 0.9), "suspicious"), (Thresholds(0.1, 0.6), "alert")):
        async with open_service(always(0.7), thresholds=thresholds, queue=PATIENT) as service:
            async with connect(service.url) as websocket:
                await websocket.send_message(message())
                assert await level(websocket) == expected


async def test_a_waiting_sample_gives_way_to_a_newer_one_of_its_track() -> None:
    """The older one is answered with an error that says so; each sample has one answer."""
    async with open_service(HOSTILE, queue=PATIENT) as service:
        await ready(service)
        async with connect(service.url) as websocket:
            await websocket.send_message(message(hostile_models.SLOW))
            await until_in_trio(lambda: service.status().judging == 1)
            await websocket.send_message(message(256, painted=0.5))
            await websocket.send_message(message())
            messages = [(await answer(websocket)).message for _ in range(3)]
    assert sorted(messages) == [
        "Not judged: a newer sample of the track took its place.",
        "Probability of manipulation: 0.00",
        "Probability of manipulation: 0.00",
    ]


async def test_a_sample_that_cannot_be_answered_in_time_is_not_judged() -> None:
    """While every model is busy, its deadline passes."""
    limits = QueueLimits(deadline=0.2)
    async with open_service(HOSTILE, queue=limits) as service:
        await ready(service)
        async with connect(service.url) as websocket:
            await websocket.send_message(message(hostile_models.HANGS, track="TR_hangs"))
            await until_in_trio(lambda: service.status().judging == 1)
            await websocket.send_message(message())
            assert (await answer(websocket)).message == "Not judged: the service could not answer in time."
        assert service.status().dropped["expired"] == 1


async def test_keys_are_required_and_compared() -> None:
    """401 without a key, or with a wrong one; the count is by status."""
    async with open_service(always(0.5), api_keys=["k", "other"]) as service:
        for key in ("k", "other"):
            async with connect(service.url, key):
                pass
        for headers in ([(b"Authorization", b"Bearer wrong")], [(b"Authorization", b"k")], []):
            with pytest.raises(ConnectionRejected) as raised:
                async with open_websocket_url(service.url, extra_headers=headers):
                    pass
            assert raised.value.status_code == 401
        assert service.status().refused == {"401": 3}


async def test_one_connection_too_many_is_asked_to_come_back() -> None:
    """503 with Retry-After; a place that becomes free is given."""
    async with open_service(always(0.5), clients=ClientLimits(connections=1)) as service:
        async with connect(service.url):
            with pytest.raises(ConnectionRejected) as raised:
                async with connect(service.url):
                    pass
            assert (raised.value.status_code, dict(raised.value.headers or ())[b"retry-after"]) == (503, b"10")
        await until_in_trio(lambda: service.status().connections == 0)
        async with connect(service.url):
            pass


async def test_it_speaks_tls() -> None:
    """With a certificate of your own."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    certificate.configure_cert(server)  # pyright: ignore[reportUnknownMemberType]
    authority.configure_trust(client)  # pyright: ignore[reportUnknownMemberType]
    async with open_service(always(0.5), tls=server, queue=PATIENT) as service:
        assert service.url.startswith("wss://")
        async with open_websocket_url(service.url, client) as websocket:
            await websocket.send_message(message())
            assert await level(websocket) == "suspicious"


async def test_a_client_that_answers_no_ping_is_closed_and_one_that_does_is_not() -> None:
    """A machine that went away keeps no place."""
    async with open_service(always(0.5), clients=ClientLimits(ping_every=3.0)) as service:
        async with await trio.open_tcp_stream("127.0.0.1", int(service.url.rsplit(":", 1)[1])) as silent:
            await silent.send_all(UPGRADE)
            await until_in_trio(lambda: service.status().connections == 1)
            async with connect(service.url) as idle:
                await until_in_trio(lambda: service.status().connections == 2)
                await until_in_trio(lambda: service.status().connections == 1, 100)
                await idle.send_message(message())
                assert await level(idle) == "suspicious"


async def test_a_client_that_never_reads_is_closed_and_harms_no_other() -> None:
    """Its answers are bounded, and so is the time that one may take."""
    clients = ClientLimits(answers=5, rate=10_000.0, send_timeout=2.0)
    async with open_service(always(0.5), clients=clients, queue=PATIENT) as service:
        flood = socket.create_connection(("127.0.0.1", int(service.url.rsplit(":", 1)[1])))
        flood.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(flood))
        async with stream:
            await stream.send_all(UPGRADE)
            frame = masked(message(data=b"x" * 10))
            await until_in_trio(lambda: service.status().connections == 1)
            async with connect(service.url) as polite, trio.open_nursery() as nursery:
                nursery.start_soon(_flood, stream, frame)
                for _ in range(5):
                    await polite.send_message(message())
                    assert await level(polite) == "suspicious"
                await until_in_trio(lambda: service.status().connections == 1, 100)
                nursery.cancel_scope.cancel()
        await until_in_trio(lambda: service.status().connections == 0)
        assert accounted(service.status())


async def _flood(stream: trio.SocketStream, frame: bytes) -> None:
    try:
        while True:
            await stream.send_all(frame * 50)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


async def test_messages_that_are_no_samples_are_counted_and_close_the_connection_at_last() -> None:
    """A hundred in a row; one sample in between begins the count anew."""
    async with open_service(always(0.5), queue=PATIENT) as service:
        async with connect(service.url) as websocket:
            for _ in range(99):
                await websocket.send_message(b"\xff")
            await websocket.send_message(message())
            assert await level(websocket) == "suspicious"
            for _ in range(100):
                await websocket.send_message("text")
            with pytest.raises(ConnectionClosed) as raised, trio.fail_after(100):
                await websocket.get_message()
            assert raised.value.reason is not None
            assert raised.value.reason.code == 1003
        assert service.status().malformed == 199


async def test_it_drains_in_order() -> None:
    """What was received is answered, then connections end with 1001; new ones are refused."""
    async with open_service(HOSTILE, queue=PATIENT) as service:
        await ready(service)
        async with connect(service.url) as websocket:
            await websocket.send_message(message(hostile_models.SLOW))
            await websocket.send_message(message(256, painted=0.5, track="TR_b"))
            await until_in_trio(lambda: service.status().received == 2)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(service.drain, 20.0)
                assert sorted([await level(websocket), await level(websocket)]) == ["alert", "clear"]
                with pytest.raises(ConnectionClosed) as raised:
                    await answer(websocket)
            assert raised.value.reason is not None
            assert raised.value.reason.code == 1001
        assert service.status().state == "draining"
        assert accounted(service.status())
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", int(service.url.rsplit(":", 1)[1]))


async def test_an_orderly_stop_says_so_to_each_sample_and_closes_the_connections() -> None:
    """No model is blamed for it, whether its sample waits or is judged; clients connect elsewhere (1001)."""
    stop, status = trio.Event(), list[ServiceStatus]()

    async def serve(task_status: trio.TaskStatus[DetectorService]) -> None:
        async with open_service(HOSTILE, queue=PATIENT) as service:
            await ready(service)
            task_status.started(service)
            await stop.wait()
        status.append(service.status())

    async with trio.open_nursery() as nursery:
        service = await nursery.start(serve)
        async with connect(service.url) as websocket:
            await websocket.send_message(message(hostile_models.HANGS))
            await until_in_trio(lambda: service.status().judging == 1)
            await websocket.send_message(message(track="TR_b"))
            await until_in_trio(lambda: service.status().waiting == 1)
            stop.set()
            assert [(await answer(websocket)).message for _ in range(2)] == ["Not judged: the service is closing."] * 2
            with pytest.raises(ConnectionClosed) as raised:
                await answer(websocket)
        assert raised.value.reason is not None
        assert raised.value.reason.code == 1001
    assert (status[0].dropped, status[0].lost, status[0].connections) == ({"closing": 2}, 0, 0)
    assert accounted(status[0])


async def test_a_drain_ends_in_any_case() -> None:
    """A model that hangs does not hold it up."""
    async with open_service(HOSTILE, queue=PATIENT) as service:
        await ready(service)
        async with connect(service.url) as websocket:
            await websocket.send_message(message(hostile_models.HANGS))
            await until_in_trio(lambda: service.status().judging == 1)
            assert not await service.drain(0.1)


async def test_a_detector_that_cannot_be_loaded_says_so() -> None:
    """A caller that waits for it gets the reason."""
    async with open_service("hostile_models:nothing") as service:
        with trio.fail_after(100):
            with pytest.raises(DetectorError, match="has no attribute 'nothing'"):
                await service.wait_ready()


async def test_a_model_killed_from_outside_is_replaced_and_the_account_is_exact() -> None:
    """Every sample has one answer, also under a storm of kills."""
    async with open_service(HOSTILE, queue=PATIENT, models=ModelLimits(workers=2)) as service:
        await ready(service)
        answered = 0
        async with connect(service.url) as websocket:
            for number in range(12):
                await websocket.send_message(message(track=f"TR_{number}"))
                if number % 4 == 0:
                    _kill_models()
                assert (await answer(websocket)).track == f"TR_{number}"
                answered += 1
        await until_in_trio(lambda: service.status().connections == 0)
        assert answered == service.status().received == 12
        assert accounted(service.status())


def _kill_models() -> None:
    for entry in Path("/proc").iterdir():
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (entry / "cmdline").read_text()
        except (OSError, IndexError):
            continue
        if parent == os.getpid() and "ds_actors.serving._child" in command:
            os.kill(int(entry.name), signal.SIGKILL)


def test_pictures_of_the_tests_differ() -> None:
    """The width selects the failure, so it must survive the encoding."""
    assert jpeg(101) != jpeg(102)
