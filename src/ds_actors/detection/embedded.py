"""A service that runs inside the monitor that uses it: its endpoint, its stream, its part of the tree."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from attrs import frozen

from ds_actors import SupervisorSpec
from ds_actors.detection.service import Dataspike
from ds_actors.detection.uplink.connection import Connect


@frozen
class EmbeddedParts:
    """What a monitor needs of a service in its own tree."""

    endpoint: Dataspike
    """What the uplink connects to, as logs and the status show it."""
    connect: Connect
    """Opens the stream under the WebSocket."""
    tree: SupervisorSpec
    """Started before the uplink, and stopped after it."""


@runtime_checkable
class EmbeddedService(Protocol):
    """A service for `Monitor(service=)` that has no address, such as `ds_actors.serving.Local`."""

    def parts(self) -> EmbeddedParts:
        """Return new parts, for one monitor."""
        ...
