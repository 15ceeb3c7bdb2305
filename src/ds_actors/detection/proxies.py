"""Which proxy, if any, lies between here and the service."""

from __future__ import annotations

import urllib.request
from typing import Final
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from ds_actors.detection.no_proxy import bypasses_proxy

_DEFAULT_PORTS: Final[dict[str, int]] = {
    "http": 80,
    "https": 443,
    "socks4": 1080,
    "socks5": 1080,
    "socks5h": 1080,
}


@frozen
class ProxyAddress:
    """A proxy to connect through; user name and password are not shown."""

    scheme: str
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


def find_proxy(host: str, port: int, *, secure: bool, explicit: str | None = None) -> ProxyAddress | None:
    """Return the proxy towards a host and port: `explicit`, else HTTPS_PROXY (wss) or HTTP_PROXY (ws).

    NO_PROXY overrides both. The caller leaves loopback out. Variables in lower case count too, as everywhere else.

    Raises:
        ValueError: when the value is not a proxy's URL; names the parameter and the variable, not the value.
    """
    environment = urllib.request.getproxies_environment()
    kind = "https" if secure else "http"
    value = explicit if explicit is not None else environment.get(kind)
    if not value or bypasses_proxy(host, port, environment.get("no", "")):
        return None
    return parse_proxy(value, "proxy" if explicit is not None else f"{kind.upper()}_PROXY")


def parse_proxy(value: str, name: str = "proxy") -> ProxyAddress:
    """Return the proxy at a URL, whose scheme may be left out.

    Raises:
        ValueError: when it is not a proxy's URL; has the name, not the value.
    """
    proxy = _parse(value)
    if proxy is None:
        raise ValueError(f"{name} must be a URL such as http://proxy:3128 (http, https, socks4, socks5 or socks5h)")
    return proxy


def _parse(value: str) -> ProxyAddress | None:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    return ProxyAddress(
        scheme=parts.scheme,
        host=parts.hostname,
        port=_DEFAULT_PORTS[parts.scheme] if port is None else port,
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.username is None else unquote(parts.password or ""),
    )
