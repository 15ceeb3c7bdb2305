"""Whether LiveKit can be checked, and what its answers mean; LiveKit itself is imported only when it is asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import Final

from ds_actors.cli._adapter import adapter_command, checkout
from ds_actors.cli._doctor.environment import LIVEKIT_VARIABLES
from ds_actors.cli._doctor.livekit_names import DISPATCH, SERVER, STEPS, WORKER
from ds_actors.cli._doctor.livekit_settings import LiveKitTargets, read_livekit
from ds_actors.cli._doctor.result import CheckResult, failed, skipped

_NOT_TRIED: Final = "not tried: an earlier check failed"
_NOT_ASKED: Final = 'not asked for: name the agent with --agent NAME, or with --agent "" for automatic dispatch'
_BEFORE_WORKERS: Final = frozenset(STEPS) - {WORKER, DISPATCH}


def run(environment: Mapping[str, str], timeout: float, targets: LiveKitTargets | None = None) -> Iterator[CheckResult]:
    """Yield the results about LiveKit; each step may take `timeout` seconds."""
    targets = targets or LiveKitTargets()
    settings = read_livekit(environment)
    if settings is None:
        text = f"{', '.join(LIVEKIT_VARIABLES)} are not all set"
        if targets == LiveKitTargets():
            yield skipped(SERVER, text)
        else:
            fix = "export the URL, key and secret of your LiveKit server; --room and --agent need them"
            yield failed(SERVER, text, fix)
        return
    if not has_livekit():
        text = "LiveKit's variables are set, but livekit-agents is not installed in this environment"
        yield failed(SERVER, text, adapter_command(checkout()))
        return
    from ds_actors.cli._doctor import livekit_room  # noqa: PLC0415 - LiveKit may not be installed

    reached: set[str] = set()
    for result in livekit_room.run(settings, targets, timeout):
        reached.add(result.name)
        yield result
    for name in STEPS:
        if name not in reached:
            yield skipped(name, _NOT_ASKED if frozenset(reached) == _BEFORE_WORKERS else _NOT_TRIED)


def has_livekit() -> bool:
    """Return whether LiveKit's SDK and its API for servers are installed."""
    try:
        return all(importlib.util.find_spec(name) is not None for name in ("livekit.rtc", "livekit.api"))
    except ModuleNotFoundError:
        return False
