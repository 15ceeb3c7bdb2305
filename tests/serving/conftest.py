"""Model processes find this folder's modules."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from client_sockets import closed_at_the_end


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture(autouse=True)
def _no_socket_left(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """trio-websocket's client leaves its socket open when the upgrade is refused."""
    with closed_at_the_end(monkeypatch):
        yield
