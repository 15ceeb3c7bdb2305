"""your own livekit-server: loopback only, free ports, keys made at its start, killed at its end."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from livekit_harness.ports import free_port

START_WITHIN: Final = 40.0


@frozen
class Server:
    """Where the server listens, and the key that signs its tokens."""

    port: int
    key: str
    secret: str = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def url(self) -> str:
        """Where participants and workers connect."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What LiveKit's own tools read."""
        return {"LIVEKIT_URL": self.url, "LIVEKIT_API_KEY": self.key, "LIVEKIT_API_SECRET": self.secret}


@contextmanager
def open_server(program: Path, settings: Mapping[str, Any] | None = None) -> Generator[Server]:
    """Run a livekit-server for the length of a block, with `settings` added to its configuration.

    Raises:
        TimeoutError: when it does not answer in time; its last output stands in the error.
    """
    with ExitStack() as stack:
        yield _entered(stack, program, settings or {})


def _entered(stack: ExitStack, program: Path, settings: Mapping[str, Any], tries: int = 3) -> Server:
    try:
        return stack.enter_context(_run(program, settings))
    except TimeoutError as error:
        # Another process may take the port before livekit-server does.
        if tries == 1 or "address already in use" not in str(error):
            raise
    return _entered(stack, program, settings, tries - 1)


@contextmanager
def _run(program: Path, settings: Mapping[str, Any]) -> Generator[Server]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="livekit-")))
        key, secret = "test", secrets.token_urlsafe(36)
        tcp, rtc_tcp, rtc_udp = free_port(), free_port(), free_port(socket.SOCK_DGRAM)
        config = {
            "port": tcp,
            "bind_addresses": ["127.0.0.1"],
            "keys": {key: secret},
            "logging": {"level": "warn", "pion_level": "error"},
            "rtc": {
                "tcp_port": rtc_tcp,
                "udp_port": rtc_udp,
                "node_ip": "127.0.0.1",
                "use_external_ip": False,
                "enable_loopback_candidate": True,
                "interfaces": {"includes": ["lo"]},
            },
            **settings,
        }
        path = folder / "livekit.yaml"
        path.write_text(json.dumps(config))  # JSON is YAML
        log = stack.enter_context((folder / "log").open("wb"))
        # Killed tests leave no server behind, where util-linux can see to that.
        setpriv = shutil.which("setpriv")
        with_us = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        process = subprocess.Popen([*with_us, program, "--config", path], stdout=log, stderr=log)
        # SIGTERM would drain: wait until the rooms are empty.
        stack.callback(process.wait)
        stack.callback(process.kill)
        _wait(tcp, process, folder / "log")
        yield Server(tcp, key, secret, process)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_WITHIN
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"livekit-server does not answer: {log.read_text('utf-8', 'replace')[-2000:]}")
