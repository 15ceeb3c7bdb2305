"""Which hosts NO_PROXY takes from the proxy. Pure.

Entries are separated by commas or blanks, and read as curl reads them: a name covers itself and what is below it, an
address covers itself, a block in CIDR notation covers its addresses. Beyond curl, an entry may name a port and put an
IPv6 address in brackets, and `*.name` is the same as `name`.
"""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress

from attrs import frozen

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@frozen
class _Entry:
    name: str
    network: _Network | None
    port: int | None


def bypasses_proxy(host: str, port: int, no_proxy: str) -> bool:
    """Return whether a value of NO_PROXY takes `host`, a name or an address without brackets, from the proxy.

    Names are not resolved. An entry that cannot be read covers nothing.
    """
    host = host.lower().removesuffix(".")
    network = _network(host)
    entries = (_parse(text) for text in re.split(r"[,\s]+", no_proxy.lower()) if text)
    return any(_covers(entry, host, network) and entry.port in (None, port) for entry in entries)


def _covers(entry: _Entry, host: str, network: _Network | None) -> bool:
    if entry.name == "*":
        return True
    if network is not None and entry.network is not None:
        return network.version == entry.network.version and network.network_address in entry.network
    if network is not None or entry.network is not None or not entry.name:
        return False
    return host == entry.name or host.endswith(f".{entry.name}")


def _parse(text: str) -> _Entry:
    network = _network(text)  # first, because an IPv6 address is full of colons
    if network is not None:
        return _Entry("", network, None)
    name, port = text, None
    before, colon, digits = text.rpartition(":")
    if colon and "]" not in digits:
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 5):
            return _Entry("", None, None)
        name, port = before, int(digits)
    if name.startswith("["):
        return _Entry("", _network(name[1:].replace("]", "", 1)) if "]" in name else None, port)
    return _Entry(name.removeprefix("*.").removeprefix(".").removesuffix("."), _network(name), port)


def _network(text: str) -> _Network | None:
    with suppress(ValueError):
        return ipaddress.ip_network(text, strict=False)
    return None
