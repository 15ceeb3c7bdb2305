"""What is around the monitor in a cell: the service, the relay in front of it, and toxiproxy where it is needed."""

from __future__ import annotations

import ssl

import trio
import trustme
from attrs import define, field
from switchboard import Switchboard
from toxiproxy import Toxiproxy

from ds_actors.sandbox import Sandbox


@define(eq=False)
class World:
    """One cell's surroundings."""

    sandbox: Sandbox
    board: Switchboard
    authority: trustme.CA
    nursery: trio.Nursery
    """For what a fault does in the background."""
    _toxiproxy: Toxiproxy | None = None
    cut_off: list[tuple[float, float]] = field(factory=list[tuple[float, float]])
    """When the network carried nothing, for the grade."""

    @property
    def network(self) -> Toxiproxy:
        """The network between the monitor and the relay."""
        assert self._toxiproxy is not None
        return self._toxiproxy

    @property
    def port(self) -> int:
        """Where the monitor connects to."""
        return self.board.port if self._toxiproxy is None else self._toxiproxy.port


def server_context(leaf: trustme.LeafCert) -> ssl.SSLContext:
    """Return the TLS context of a server with this certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    leaf.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    return context


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    """Return a TLS context that trusts this authority too."""
    context = ssl.create_default_context()
    authority.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
    return context
