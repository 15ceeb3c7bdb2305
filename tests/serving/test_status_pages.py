"""Liveness, readiness and metrics over HTTP."""

from __future__ import annotations

from contextlib import AsyncExitStack

import httpx
import pytest
import trio
from prometheus_client import CollectorRegistry
from serving_kit import HOSTILE, always, connect, level, message

from ds_actors.serving import QueueLimits, open_service
from ds_actors.serving.metric_values import METRICS, values
from ds_actors.serving.metrics import ServiceMetrics

pytestmark = pytest.mark.timeout(200)

PATIENT = QueueLimits(deadline=120.0)


async def get(url: str | None, path: str) -> httpx.Response:
    assert url is not None
    with trio.fail_after(100):
        async with httpx.AsyncClient() as client:
            return await client.get(url + path)


async def test_it_is_live_at_once_and_ready_when_a_model_is_loaded() -> None:
    """While it drains, it is live and not ready."""
    async with open_service(HOSTILE, queue=PATIENT, status_port=0) as service:
        assert (await get(service.status_url, "/livez")).status_code == 200
        loading = await get(service.status_url, "/readyz")
        assert (loading.status_code, loading.text) == (503, "loading\n")
        with trio.fail_after(100):
            await service.wait_ready()
        ready = await get(service.status_url, "/readyz?verbose")
        assert (ready.status_code, ready.text) == (200, "ready\n")
        await service.drain()
        assert (await get(service.status_url, "/livez")).status_code == 200
        assert (await get(service.status_url, "/readyz")).text == "draining\n"


async def test_metrics_have_every_count_and_no_identity() -> None:
    """Each scrape reads the service's counts."""
    metrics = ServiceMetrics(CollectorRegistry())
    async with open_service(
        always(0.9), queue=PATIENT, status_port=0, metrics=metrics.page, timings=metrics.observe
    ) as service:
        metrics.status = service.status
        async with connect(service.url) as websocket:
            await websocket.send_message(message(track="TR_secret"))
            assert await level(websocket) == "alert"
            page = (await get(service.status_url, "/metrics")).text
        assert set(values(service.status())) == set(METRICS)
    for line in (
        "ds_actors_serve_samples_total 1.0",
        'ds_actors_serve_answers_total{level="alert"} 1.0',
        'ds_actors_serve_answers_total{level="clear"} 0.0',
        'ds_actors_serve_samples_dropped_total{reason="expired"} 0.0',
        'ds_actors_serve_models{state="idle"} 1.0',
        "ds_actors_serve_connections 1.0",
        "ds_actors_serve_batch_seconds_count 1.0",
        "ds_actors_serve_answer_seconds_count 1.0",
    ):
        assert f"\n{line}\n" in page
    assert "secret" not in page
    assert "alice" not in page


@pytest.mark.parametrize(("path", "status"), [("/", 404), ("/metrics", 404), ("/livez/x", 404)])
async def test_what_is_not_there_is_404(path: str, status: int) -> None:
    """Also metrics, where the service has none."""
    async with open_service(always(0.5), status_port=0) as service:
        assert (await get(service.status_url, path)).status_code == status


async def test_a_request_that_is_no_http_disturbs_no_other() -> None:
    """A client that says nothing does not either."""
    async with open_service(always(0.5), status_port=0) as service:
        assert service.status_url is not None
        port = int(service.status_url.rsplit(":", 1)[1])
        silent = await trio.open_tcp_stream("127.0.0.1", port)
        async with silent:
            broken = await trio.open_tcp_stream("127.0.0.1", port)
            async with broken:
                await broken.send_all(b"\x16\x03\x01 no http\r\n\r\n")
                assert (await get(service.status_url, "/livez")).status_code == 200
        async with httpx.AsyncClient() as client:
            assert (await client.post(f"{service.status_url}/livez")).status_code == 405
            assert (await client.head(f"{service.status_url}/livez")).text == ""


async def test_metrics_that_cannot_be_collected_leave_the_other_pages(caplog: pytest.LogCaptureFixture) -> None:
    """500, one line in the log, and an orchestrator that sees a live service."""

    def broken() -> bytes:
        raise RuntimeError("no such registry")

    async with open_service(always(0.5), queue=PATIENT, status_port=0, metrics=broken) as service:
        with trio.fail_after(100):
            await service.wait_ready()
        for _ in range(3):
            assert (await get(service.status_url, "/metrics")).status_code == 500
            assert (await get(service.status_url, "/livez")).status_code == 200
            assert (await get(service.status_url, "/readyz")).status_code == 200
    assert [record.getMessage() for record in caplog.records if record.name == "ds_actors.serving"] == [
        "the metrics could not be collected: RuntimeError: no such registry"
    ]


async def test_clients_that_say_nothing_do_not_hide_the_state() -> None:
    """However many they are: the oldest one gives way, long before its ten seconds are over."""
    async with open_service(always(0.5), status_port=0) as service, AsyncExitStack() as stack:
        assert service.status_url is not None
        port = int(service.status_url.rsplit(":", 1)[1])
        for _ in range(40):
            await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))
        assert (await get(service.status_url, "/livez")).status_code == 200
