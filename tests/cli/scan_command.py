"""`ds-actors scan --sandbox --json`, run on files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import frozen
from typer.testing import CliRunner

from ds_actors.cli import app

_NO_SETTINGS = {"DATASPIKE_API_KEY": None, "DATASPIKE_WS_URL": None}


@frozen
class Scanned:
    """What a run of the command came to."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The JSON objects on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


def run_scan(*arguments: str | Path) -> Scanned:
    """Run the command against the sandbox, with a table on stdout."""
    done = CliRunner().invoke(app, ["scan", "--sandbox", *map(str, arguments)], env=_NO_SETTINGS)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Scanned(done.exit_code, done.stdout, done.stderr)


def scan_json(*arguments: str | Path) -> Scanned:
    """Run the command against the sandbox, with JSON on stdout."""
    return run_scan("--json", *arguments)
