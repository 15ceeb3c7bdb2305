"""The doctor's checks of the way to the service, over real sockets and with the real sandbox."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate

import pytest
import trio
import trustme
from servers import Handler, tcp_server, websocket_server
from trio_websocket import ConnectionClosed, WebSocketRequest

from ds_actors.cli._doctor import network
from ds_actors.cli._doctor.encoder import EncodedSample, check_encoder
from ds_actors.cli._doctor.environment import Rates
from ds_actors.cli._doctor.result import CheckResult, CheckStatus
from ds_actors.cli._doctor.service import STEPS, check_service
from ds_actors.cli._doctor.session import judge_round_trip, judge_throughput
from ds_actors.detection.events import ResultType, Sample
from ds_actors.detection.proxies import ProxyAddress
from ds_actors.detection.service import Dataspike
from ds_actors.sandbox import Faults, Sandbox, Script, always_clear, open_sandbox, parse_script

SECRET = "sk-very-secret"


def encoded() -> EncodedSample:
    sample = check_encoder(Rates())[1]
    assert sample is not None
    return sample


async def diagnose(
    service: Dataspike | None, *, keyed: bool = True, timeout: float = 5.0, rates: Rates | None = None
) -> dict[str, CheckResult]:
    """Run all checks of the service; each step is reported exactly once."""
    results: list[CheckResult] = []
    await check_service(
        service, keyed=keyed, sample=encoded(), rates=rates or Rates(), timeout=timeout, report=results.append
    )
    assert sorted(result.name for result in results) == sorted(STEPS)
    assert all(result.fix for result in results if result.status in (CheckStatus.WARNING, CheckStatus.FAILURE))
    assert SECRET not in repr(results)
    return {result.name: result for result in results}


def failures(results: dict[str, CheckResult]) -> list[str]:
    return [name for name, result in results.items() if result.status is CheckStatus.FAILURE]


def at(sandbox: Sandbox) -> Dataspike:
    return Dataspike(SECRET, sandbox.url)


@asynccontextmanager
async def websocket_service(handler: Handler) -> AsyncGenerator[Dataspike]:
    async with websocket_server(handler) as port:
        yield Dataspike(SECRET, f"ws://127.0.0.1:{port}/stream")


class NamesFail(trio.abc.HostnameResolver):
    """A resolver that knows no name."""

    async def getaddrinfo(self, *_arguments: object) -> list[object]:  # type: ignore[override]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        raise NotImplementedError


async def test_a_good_way_passes_every_step() -> None:
    """Against the sandbox only the clock is left out, because it sends no date."""
    async with open_sandbox(always_clear) as sandbox:
        results = await diagnose(at(sandbox))
    statuses = {name: result.status for name, result in results.items()}
    assert statuses.pop("clock") is CheckStatus.SKIPPED
    assert set(statuses.values()) == {CheckStatus.OK}
    assert results["round trip"].details["level"] == "clear"
    assert len(sandbox.samples) == 6


async def test_an_invalid_address_skips_everything() -> None:
    """Nothing is tried."""
    results = await diagnose(None)
    assert {result.status for result in results.values()} == {CheckStatus.SKIPPED}


async def test_a_name_without_address_fails_dns() -> None:
    """The result shows the name, and the rest is skipped."""
    trio.socket.set_custom_hostname_resolver(NamesFail())
    results = await diagnose(Dataspike(SECRET, "wss://detector.example/stream"))
    assert failures(results) == ["dns"]
    assert "detector.example has no address" in results["dns"].summary
    assert results["tcp"].status is CheckStatus.SKIPPED


async def test_a_closed_port_fails_tcp() -> None:
    """The result shows the port, and the fix is the firewall's."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        results = await diagnose(Dataspike(SECRET, f"ws://127.0.0.1:{port}"))
    assert failures(results) == ["tcp"]
    assert str(port) in results["tcp"].summary


async def refuse_tunnels(stream: trio.SocketStream) -> None:
    data = b""
    while b"\r\n\r\n" not in data and (more := await stream.receive_some()):
        data += more
    await stream.send_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    await stream.aclose()


async def test_a_proxy_that_refuses_fails_proxy() -> None:
    """The result shows the proxy's answer; its password is not shown."""
    async with tcp_server(refuse_tunnels) as port:
        service = Dataspike(SECRET, "wss://detector.example/stream")
        service.proxy = ProxyAddress("http", "127.0.0.1", port, "user", SECRET)
        results = await diagnose(service)
    assert failures(results) == ["proxy"]
    assert "407" in results["proxy"].summary


async def test_a_proxy_that_is_down_fails_tcp() -> None:
    """The fix names the proxy's variable."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        service = Dataspike(SECRET, "wss://detector.example/stream")
        service.proxy = ProxyAddress("http", "127.0.0.1", bound.getsockname()[1])
        results = await diagnose(service)
    assert failures(results) == ["tcp"]
    assert "HTTPS_PROXY" in results["tcp"].fix


async def test_an_untrusted_certificate_fails_tls() -> None:
    """The fix names SSL_CERT_FILE."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(server)  # pyright: ignore[reportUnknownMemberType]

    async def handshake(stream: trio.SocketStream) -> None:
        secured = trio.SSLStream(stream, server, server_side=True)
        try:
            await secured.do_handshake()
        except trio.BrokenResourceError:
            await trio.aclose_forcefully(stream)

    async with tcp_server(handshake) as port:
        results = await diagnose(Dataspike(SECRET, f"wss://127.0.0.1:{port}"))
    assert failures(results) == ["tls"]
    assert "certificate verify failed" in results["tls"].summary
    assert "SSL_CERT_FILE" in results["tls"].fix


async def test_a_certificate_that_ends_soon_is_a_warning() -> None:
    """A trusted one passes, and is a warning in its last two weeks."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)  # pyright: ignore[reportUnknownMemberType]
    authority.configure_trust(client)  # pyright: ignore[reportUnknownMemberType]

    async def handshake(stream: trio.SocketStream) -> None:
        await trio.SSLStream(stream, server, server_side=True).do_handshake()

    async with tcp_server(handshake) as port:
        service = Dataspike(SECRET, f"wss://127.0.0.1:{port}", ssl_context=client)
        result = await network.check_tls(service, 5.0)
        end = ssl.cert_time_to_seconds(result.details["certificate valid until"])
        late = await network.check_tls(service, 5.0, wall=end - 3 * 86_400)
    assert result.status is CheckStatus.OK
    assert (late.status, late.summary[-14:]) == (CheckStatus.WARNING, "ends in 3 days")


@pytest.mark.parametrize(
    ("status", "fix"), [(404, "URL's path"), (429, "rate limit"), (503, "resumes by itself"), (302, "URL's path")]
)
async def test_an_answer_other_than_101_fails_the_upgrade(status: int, fix: str) -> None:
    """The fix depends on the status."""
    async with open_sandbox(always_clear) as sandbox:
        sandbox.faults.refuse_upgrades(status, retry_after=7)
        results = await diagnose(at(sandbox))
    assert failures(results) == ["upgrade"]
    assert str(status) in results["upgrade"].summary
    assert fix in results["upgrade"].fix


async def test_silence_fails_the_upgrade() -> None:
    """A server that accepts TCP and never answers is not waited for longer than the upgrade's own limit."""
    async with open_sandbox(always_clear) as sandbox:
        sandbox.faults.silence()
        results = await diagnose(Dataspike(SECRET, sandbox.url, upgrade_timeout=0.2))
    assert failures(results) == ["upgrade"]


async def test_a_refused_key_fails_key() -> None:
    """The upgrade was answered; the fix names the variable."""
    async with open_sandbox(always_clear, api_keys={"another"}) as sandbox:
        results = await diagnose(at(sandbox))
    assert failures(results) == ["key"]
    assert results["upgrade"].status is CheckStatus.OK
    assert "DATASPIKE_API_KEY" in results["key"].fix


async def test_a_key_refused_by_a_close_code_fails_key() -> None:
    """Some services accept every upgrade first."""
    async with open_sandbox(always_clear) as sandbox:
        sandbox.faults.close_on_accept(4401)
        results = await diagnose(at(sandbox))
    assert failures(results) == ["key"]


async def test_without_a_key_the_way_is_checked_up_to_tls() -> None:
    """The service is not asked."""
    async with open_sandbox(always_clear) as sandbox:
        results = await diagnose(at(sandbox), keyed=False)
        assert sandbox.attempts == []
    assert results["tls"].status is CheckStatus.OK
    assert results["upgrade"].status is CheckStatus.SKIPPED


async def test_a_clock_that_is_wrong_fails_clock() -> None:
    """The Date header of the upgrade's answer is compared with this machine's time."""

    async def handler(request: WebSocketRequest) -> None:
        date = formatdate(time.time() - 3_600, usegmt=True).encode()
        websocket = await request.accept(extra_headers=[(b"Date", date)])
        with suppress(ConnectionClosed):
            await websocket.get_message()

    async with websocket_service(handler) as service:
        results = await diagnose(service, timeout=0.2)
    assert results["clock"].status is CheckStatus.FAILURE
    assert "ahead of" in results["clock"].summary


def unanswered() -> Script:
    return parse_script('[[verdict]]\nlevel = "none"')


async def test_no_result_fails_the_round_trip() -> None:
    """The throughput is not tried then."""
    async with open_sandbox(script=unanswered()) as sandbox:
        results = await diagnose(at(sandbox), timeout=0.2)
    assert failures(results) == ["round trip"]
    assert results["throughput"].status is CheckStatus.SKIPPED


async def test_an_end_of_the_connection_fails_the_round_trip() -> None:
    """A cut after the upgrade is reported with its close code."""
    async with open_sandbox(script=unanswered(), faults=Faults()) as sandbox:
        sandbox.faults.close_on_accept(1011)
        results = await diagnose(at(sandbox))
    assert failures(results) == ["round trip"]
    assert "1011" in results["round trip"].summary


async def test_a_service_slower_than_the_rate_is_a_warning() -> None:
    """At 60 samples per second and elevated track, 50 ms for each are too much."""

    def judge(_sample: Sample, _elapsed: float) -> ResultType:
        time.sleep(0.05)
        return ResultType.CLEAR

    async with open_sandbox(judge) as sandbox:
        results = await diagnose(at(sandbox), rates=Rates(burst_fps=60))
    assert results["throughput"].status is CheckStatus.WARNING
    assert "budget" in results["throughput"].fix


def test_a_slow_round_trip_is_a_warning() -> None:
    """More than 2 s; the fix names quality and burst_fps."""
    assert judge_round_trip(1.9, "clear", 70_000).status is CheckStatus.OK
    slow = judge_round_trip(2.1, "clear", 70_000)
    assert slow.status is CheckStatus.WARNING
    assert "burst_fps" in slow.fix


def test_samples_without_a_result_are_a_warning() -> None:
    """A service that limits the rate leaves some unanswered."""
    assert judge_throughput(4, 1.0, Rates()).status is CheckStatus.WARNING
    assert judge_throughput(5, 1.0, Rates()).summary == "5.0 samples/s, enough for 5 elevated tracks at a time"
