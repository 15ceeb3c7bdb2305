"""`ds-actors serve`: your own detector behind the service's wire."""

from __future__ import annotations

import importlib
import json
import os
import signal
import ssl
from collections.abc import Collection
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import trio
import typer
from attrs import asdict, define, field

from ds_actors._text import counted
from ds_actors.cli._epilog import epilog
from ds_actors.cli._interrupt import interrupts
from ds_actors.cli._loading import wait_loaded
from ds_actors.cli._service_files import KEYS_VARIABLE, BadFile, read_certificate, read_keys, split_keys
from ds_actors.cli._stdout import say
from ds_actors.cli._thresholds import Alert, Suspicious, ThresholdsFile, own_thresholds
from ds_actors.cli.sandbox import why_not_listening
from ds_actors.detection.events import plain
from ds_actors.detection.service import is_loopback
from ds_actors.detectors import DetectorError
from ds_actors.serving import ClientLimits, DetectorService, ModelLimits, QueueLimits, ServiceStatus, open_service

SERVE_EPILOG: Final = epilog(
    "A detector is named by module:name: a function from an RGB picture to a probability, a class or an object with "
    "judge(samples); module:make() calls a function that returns one. Modules are found in the current folder, too. "
    "A .toml file describes an ONNX model, or one on a server.",
    "Ctrl-C and SIGTERM drain it: it takes no more samples, answers those that it has, and closes the connections. "
    "A second Ctrl-C ends it at once.",
    codes={
        0: "it was drained",
        2: "wrong usage, the detector cannot be loaded, or the address cannot be used",
    },
)
_DRAINS_WITHIN: Final = 5.0


def serve(
    *,
    detector: Annotated[
        str, typer.Option(help="The detector: module:name, a .toml file, or one that is installed.", metavar="SPEC")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.", metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for any free one.", min=0, max=65_535, metavar="PORT")] = 8766,
    api_keys: Annotated[
        Path | None,
        typer.Option(
            help=f"File with the keys to accept, one on each line. Without it: {KEYS_VARIABLE}, separated by commas, "
            "else any key, on a loopback address only.",
            metavar="FILE",
        ),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain in PEM, for wss.", metavar="FILE")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key in PEM.", metavar="FILE")] = None,
    workers: Annotated[int, typer.Option(help="Processes with a model each.", metavar="N")] = 1,
    batch: Annotated[int, typer.Option(help="The most samples of one batch.", metavar="N")] = 1,
    batch_wait: Annotated[
        float, typer.Option(help="Seconds that a sample waits for its batch to fill.", metavar="SECONDS")
    ] = 0.0,
    deadline: Annotated[
        float, typer.Option(help="Seconds after which a sample is not judged any more.", metavar="SECONDS")
    ] = 2.0,
    batch_timeout: Annotated[
        float, typer.Option(help="Seconds after which a model that does not answer is replaced.", metavar="SECONDS")
    ] = 10.0,
    memory: Annotated[
        int | None, typer.Option(help="MiB of memory over which a model's process is replaced.", metavar="MIB")
    ] = None,
    connections: Annotated[int, typer.Option(help="The most connections at a time.", metavar="N")] = 100,
    rate: Annotated[float, typer.Option(help="The most samples a second of one connection.", metavar="RATE")] = 500.0,
    thresholds: ThresholdsFile = None,
    suspicious: Suspicious = None,
    alert: Alert = None,
    status_port: Annotated[
        int | None,
        typer.Option(help="Port of /livez, /readyz and /metrics.", min=0, max=65_535, metavar="PORT"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Put a detector behind the wire that monitors, plugins and scan speak.

    For example: ds-actors serve --detector my_detector:judge

    Each model has a process of its own: one that crashes, hangs or uses too
    much memory costs its batch, and is replaced.
    """
    try:
        levels, note = own_thresholds(detector, thresholds, suspicious, alert)
        options = {
            "thresholds": levels,
            "queue": QueueLimits(batch=batch, batch_wait=batch_wait, deadline=deadline),
            "clients": ClientLimits(connections=connections, rate=rate),
            "models": ModelLimits(
                workers=workers, batch_timeout=batch_timeout, memory=None if memory is None else memory << 20
            ),
            "api_keys": _keys(api_keys, host),
            "tls": _tls(tls_cert, tls_key),
        }
    except ValueError as error:
        _fail(str(error))
    run = ServeRun(detector, host, port, status_port, as_json, note, options)
    try:
        trio.run(run.run)
    except* KeyboardInterrupt:
        pass
    if run.problem:
        _fail(run.problem)
    if run.status is not None:
        _summary(run.status, as_json)


@define(eq=False)
class ServeRun:
    """One run of the command."""

    detector: str
    host: str
    port: int
    status_port: int | None
    as_json: bool
    note: str
    """What to say about the thresholds once there is something to judge with them."""
    options: dict[str, Any] = field(repr=False)
    problem: str = ""
    """Why it could not begin."""
    status: ServiceStatus | None = None
    """The counts at its end."""

    async def run(self) -> None:
        """Serve until Ctrl-C or SIGTERM, then drain."""
        async with AsyncExitStack() as stack:
            with interrupts(signal.SIGTERM) as interrupt:
                metrics = _metrics() if self.status_port is not None else None
                opening = open_service(
                    self.detector,
                    host=self.host,
                    port=self.port,
                    status_port=self.status_port,
                    metrics=None if metrics is None else metrics.page,
                    timings=None if metrics is None else metrics.observe,
                    **self.options,
                )
                try:
                    service = await stack.enter_async_context(opening)
                except (OSError, UnicodeError) as error:
                    self.problem = f"cannot listen on {self.host} port {self.port}: {why_not_listening(error)}"
                    return
                if metrics is not None:
                    metrics.status = service.status
                self._say({"event": "loading", "detector": self.detector}, f"loading {self.detector}")
                if service.status_url is not None:
                    self._say({"event": "status", "url": service.status_url}, f"status at {service.status_url}")
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._ready, service, nursery.cancel_scope)
                    await interrupt()
                    nursery.cancel_scope.cancel()
            if not self.problem:
                self._say({"event": "draining"}, "draining")
                await service.drain(_DRAINS_WITHIN)
            self.status = service.status()

    async def _ready(self, service: DetectorService, serving: trio.CancelScope) -> None:
        try:
            await wait_loaded(service)
        except DetectorError as error:
            self.problem = str(error)
            serving.cancel()
            return
        if self.note:
            typer.echo(f"ds-actors serve: {self.note}", err=True)
        # It has listened since before, so that a port that is taken costs no loading; but it could not answer.
        self._say({"event": "listening", "url": service.url}, f"listening on {service.url}")
        self._say({"event": "ready"}, f"ready: {self.detector} is loaded")

    def _say(self, event: dict[str, str], text: str) -> None:
        say(json.dumps(event) if self.as_json else plain(text))


def _metrics() -> Any:
    try:
        metrics = importlib.import_module("ds_actors.serving.metrics")
        registry = importlib.import_module("prometheus_client").CollectorRegistry()
    except ModuleNotFoundError:
        return None  # without the extra, the other pages are there
    return metrics.ServiceMetrics(registry)


def _keys(path: Path | None, host: str) -> Collection[str] | None:
    if path is not None:
        return read_keys(path)
    if os.environ.get(KEYS_VARIABLE):
        return split_keys(os.environ[KEYS_VARIABLE])
    if not is_loopback(host):
        raise BadFile(f"--host {host} lets other machines connect: give keys with --api-keys or {KEYS_VARIABLE}")
    return None


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise BadFile("--tls-cert and --tls-key go together")
    return read_certificate(certificate, key)


def _summary(status: ServiceStatus, as_json: bool) -> None:
    if as_json:
        say(json.dumps({"event": "summary", **asdict(status)}))
        return
    answers = ", ".join(f"{count:,} {level}" for level, count in sorted(status.answered.items())) or "none"
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in sorted(status.dropped.items()) if count)
    say(f"{counted(status.received, 'sample')}; answers: {answers}{f'; not judged: {dropped}' if dropped else ''}")


def _fail(text: str) -> NoReturn:
    typer.echo(f"ds-actors serve: {plain(text)}", err=True)
    raise typer.Exit(2)
