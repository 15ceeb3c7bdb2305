"""What the parts of the room agree on: addresses, names and secrets. It outlives each part's restarts."""

from __future__ import annotations

import json
import secrets
import socket
from contextlib import ExitStack
from typing import Any, Final

from attrs import define, field

ROOM: Final = "demo"
DETECTOR: Final = "detector"
"""The identity of the monitor's participant; no participant of the page can have it."""
LOOPBACK: Final = "127.0.0.1"
_KEPT_WITHOUT_PARTICIPANTS: Final = 7 * 24 * 3_600


@define(eq=False)
class RoomPlan:
    """The addresses and secrets of one run, and the monitor's last report."""

    server_port: int
    media_port: int
    sandbox_port: int
    web_port: int
    key: str = "room"
    secret: str = field(factory=lambda: secrets.token_urlsafe(36), repr=False)
    host_code: str = field(factory=lambda: secrets.token_hex(6), repr=False)
    monitor: dict[str, Any] | None = None

    @property
    def livekit_url(self) -> str:
        """The URL that participants connect to."""
        return f"ws://{LOOPBACK}:{self.server_port}"

    @property
    def sandbox_url(self) -> str:
        """The URL that the monitor sends samples to."""
        return f"ws://{LOOPBACK}:{self.sandbox_port}"

    @property
    def page_url(self) -> str:
        """The URL to open in a browser."""
        return f"http://{LOOPBACK}:{self.web_port}/"

    def server_config(self) -> str:
        """Return livekit-server's configuration: loopback only, for signals and for media."""
        return json.dumps(  # JSON is YAML
            {
                "port": self.server_port,
                "bind_addresses": [LOOPBACK],
                "keys": {self.key: self.secret},
                "logging": {"level": "warn", "pion_level": "error"},
                "room": {
                    "empty_timeout": _KEPT_WITHOUT_PARTICIPANTS,
                    "departure_timeout": _KEPT_WITHOUT_PARTICIPANTS,
                },
                "rtc": {
                    "tcp_port": 0,  # off: it would listen on every address
                    "udp_port": self.media_port,
                    "node_ip": LOOPBACK,
                    "use_external_ip": False,
                    "enable_loopback_candidate": True,
                    "interfaces": {"includes": ["lo", "lo0"]},
                },
            }
        )


def make_plan(web_port: int) -> RoomPlan:
    """Return a plan with ports that are free now; `web_port` 0 takes any free one for the page too.

    Raises:
        OSError: when `web_port` is taken.
    """
    with ExitStack() as stack:
        # Bound at the same time, so that they differ.
        web = stack.enter_context(_bound(socket.SOCK_STREAM, web_port))
        tcp = [stack.enter_context(_bound(socket.SOCK_STREAM)) for _ in range(2)]
        udp = stack.enter_context(_bound(socket.SOCK_DGRAM))
        server, sandbox = (_port(bound) for bound in tcp)
        return RoomPlan(server, _port(udp), sandbox, _port(web))


def _bound(kind: socket.SocketKind, port: int = 0) -> socket.socket:
    bound = socket.socket(socket.AF_INET, kind)
    try:
        # As trio binds it later: a port whose last connection has just closed counts as free.
        if kind is socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound


def _port(bound: socket.socket) -> int:
    port: int = bound.getsockname()[1]
    return port
