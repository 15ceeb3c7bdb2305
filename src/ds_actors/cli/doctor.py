"""`ds-actors doctor`: why there are no results, one line per check."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Final, NoReturn

import trio
import typer
from attrs import define, field

from ds_actors.cli._configuration import ConfigFile, SetOptions
from ds_actors.cli._doctor import livekit_checks
from ds_actors.cli._doctor.configuration import check_settings
from ds_actors.cli._doctor.encoder import check_encoder
from ds_actors.cli._doctor.environment import check_rates, read_service
from ds_actors.cli._doctor.livekit_settings import LiveKitTargets
from ds_actors.cli._doctor.rendering import folded, json_line, summary_line, text_lines
from ds_actors.cli._doctor.result import CheckResult, CheckStatus, any_failed
from ds_actors.cli._doctor.service import check_service
from ds_actors.cli._doctor.versions import check_versions
from ds_actors.cli._dotenv import LiveKitUrl, livekit_environment
from ds_actors.cli._epilog import epilog
from ds_actors.detection.events import plain
from ds_actors.detection.service import URL_VARIABLE, Dataspike
from ds_actors.detection.settings import SettingsError
from ds_actors.sandbox import MarkerVerdicts, open_sandbox

DOCTOR_EPILOG: Final = epilog(
    codes={
        0: "no check failed; there may be warnings",
        1: "a check failed",
        2: "wrong usage",
        130: "stopped by Ctrl-C",
    }
)


@define
class _Report:
    """Writes each result as it comes, and keeps it; as text, those skipped for one reason are a single line."""

    as_json: bool
    verbose: bool
    results: list[CheckResult] = field(factory=list[CheckResult])
    _skipped: list[CheckResult] = field(factory=list[CheckResult])

    def add(self, result: CheckResult) -> None:
        self.results.append(result)
        if self.as_json:
            typer.echo(json_line(result))
            return
        if self._skipped and (result.status, result.summary) != (CheckStatus.SKIPPED, self._skipped[0].summary):
            self.flush()
        if result.status is CheckStatus.SKIPPED:
            self._skipped.append(result)
        else:
            self._write(result)

    def flush(self) -> None:
        """Write the line of the checks skipped last."""
        if self._skipped:
            self._write(folded(self._skipped))
            self._skipped.clear()

    def _write(self, result: CheckResult) -> None:
        for line in text_lines(result, verbose=self.verbose):
            typer.echo(line)


def doctor(
    *,
    url: Annotated[
        str | None,
        typer.Option(help=f"The service's WebSocket URL. Without it: {URL_VARIABLE}, else Dataspike's.", metavar="URL"),
    ] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Check against a local stand-in, which needs no key.")
    ] = False,
    livekit_url: LiveKitUrl = None,
    config: ConfigFile = None,
    assignments: SetOptions = None,
    room: Annotated[
        str | None,
        typer.Option(help="A room of LiveKit's: check its tracks, unseen by those in it.", metavar="ROOM"),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            help="The name that the agent's worker registers with: have the agent sent to a new room. "
            'With "", check automatic dispatch.',
            metavar="NAME",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds that each step of the network may take, from 0.1 to 120.", metavar="SECONDS")
    ] = 10.0,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the figures and settings too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per check and line.")] = False,
) -> None:
    """Check everything that the monitor needs, and say how to fix what is wrong.

    It sends the service six synthetic pictures, which count as samples.

    Where LiveKit's variables are set, two participants join a room of their
    own for a moment; a data packet and a track go from one to the other.

    Variables of LiveKit and of the service that the environment does not
    have are read from a file .env in the working directory.
    """
    if not 0.1 <= timeout <= 120:
        _stop("--timeout must be from 0.1 to 120 seconds")
    if sandbox and url is not None:
        _stop("--sandbox does not go with --url")
    if room == "":
        _stop("--room needs the name of a room")
    targets = LiveKitTargets(room, agent)
    try:
        given = livekit_environment(livekit_url)
    except SettingsError as error:
        _stop(str(error))
    report = _Report(as_json, verbose)
    report.add(check_versions())
    result, variables = check_settings(config, assignments)
    report.add(result)
    environment = {**given, **variables}
    result, rates = check_rates(environment)
    report.add(result)
    result, sample = check_encoder(rates)
    report.add(result)
    settings, service = read_service(
        environment, url=url or variables.get(URL_VARIABLE), without_key="try --sandbox", key_may_miss=sandbox
    )
    report.add(settings)
    keyed = settings.status is not CheckStatus.FAILURE
    interrupted = False
    check = partial(check_service, sample=sample, rates=rates, timeout=timeout, report=report.add)
    try:
        trio.run(partial(_check_sandbox, check) if sandbox else partial(check, service, keyed=keyed))
        for result in livekit_checks.run(given, timeout, targets):
            report.add(result)
    except* KeyboardInterrupt:
        interrupted = True
    report.flush()
    if interrupted:
        raise typer.Exit(130)
    if not as_json:
        typer.echo(summary_line(report.results))
    raise typer.Exit(int(any_failed(report.results)))


async def _check_sandbox(check: Callable[..., Awaitable[None]]) -> None:
    async with open_sandbox(MarkerVerdicts()) as stand_in:
        await check(Dataspike(api_key="sandbox", url=stand_in.url), keyed=True)


def _stop(text: str) -> NoReturn:
    typer.echo(f"ds-actors doctor: {plain(text)}", err=True)
    raise typer.Exit(2)
