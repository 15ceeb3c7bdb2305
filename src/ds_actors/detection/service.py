"""The service's address and key: checked settings, and a key that never shows its value."""

from __future__ import annotations

import copy
import ipaddress
import math
import os
import ssl
from typing import Final, NoReturn, cast
from urllib.parse import SplitResult, urlsplit

from ds_actors.detection.proxies import ProxyAddress, find_proxy

DEFAULT_URL: Final = "wss://api.dataspike.io/api/v4/deepfake/stream"
KEY_VARIABLE: Final = "DATASPIKE_API_KEY"
URL_VARIABLE: Final = "DATASPIKE_WS_URL"
PERMITS_INSECURE: Final = " (allow_insecure=True permits it)"
"""The end of an error that names an option of programs; a command line has no such option."""

_LOOPBACK: Final = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_SHOWN: Final = "***"


class ApiKey:
    """The service's key; repr, str and format show three asterisks, and it does not pickle.

    Args:
        secret: the key itself.
        setting: its name in errors.

    Raises:
        ValueError: when the key is empty or contains characters that HTTP headers forbid; the message omits the key.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: str, setting: str = f"api_key (or {KEY_VARIABLE})") -> None:
        self._secret = secret.strip()
        # Tracebacks may show locals: no local may hold the key when an error is raised.
        del secret
        if not self._secret:
            raise ValueError(f"{setting} is empty")
        if not (self._secret.isascii() and self._secret.isprintable() and " " not in self._secret):
            raise ValueError(f"{setting} must be printable ASCII without spaces")

    def reveal(self) -> str:
        """Return the key itself; use it at once and do not keep it."""
        return self._secret

    def __repr__(self) -> str:
        return _SHOWN

    def __reduce__(self) -> NoReturn:
        raise TypeError("an ApiKey cannot be pickled")


class Dataspike:
    """How to reach the service. Each setting comes from the argument, else the environment, else the default.

    Args:
        api_key: the key, else DATASPIKE_API_KEY.
        url: the WebSocket's URL, else DATASPIKE_WS_URL, else the public service.
        allow_insecure: permit ws to other machines, and a TLS context that does not verify.
        upgrade_timeout: seconds from the first packet to the accepted upgrade.
        ssl_context: for wss; the default trusts the certificates of the system and of SSL_CERT_FILE.
        proxy: a proxy's URL, else HTTPS_PROXY (wss) or HTTP_PROXY (ws); NO_PROXY overrides both.

    Raises:
        ValueError: when a value is invalid; the message names the parameter and its variable.
    """

    __slots__ = ("_key", "_parts", "host", "port", "proxy", "secure", "ssl_context", "upgrade_timeout")

    def __init__(
        self,
        api_key: str | ApiKey | None = None,
        url: str | None = None,
        *,
        allow_insecure: bool = False,
        upgrade_timeout: float = 10.0,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
    ) -> None:
        # First, so that no frame holds the bare key when an error is raised: tracebacks may show locals.
        given = [api_key]
        del api_key
        self._key: ApiKey = _resolve_key(given)
        self._parts = _parse_url(url if url is not None else os.environ.get(URL_VARIABLE) or DEFAULT_URL)
        self.host: str = self._parts.hostname or ""
        self.secure: bool = self._parts.scheme == "wss"
        self.port: int = self._parts.port or (443 if self.secure else 80)
        if not (math.isfinite(upgrade_timeout) and upgrade_timeout > 0):
            raise ValueError(f"upgrade_timeout must be a finite number of seconds above 0, not {upgrade_timeout!r}")
        self.upgrade_timeout: float = float(upgrade_timeout)
        if not (self.secure or self.loopback or allow_insecure):
            raise ValueError(
                f"url (or {URL_VARIABLE}) must begin with wss:// unless it leads to this machine: "
                f"ws:// would expose the key and all pictures{PERMITS_INSECURE}"
            )
        if ssl_context is not None and not allow_insecure and not verifies(ssl_context):
            raise ValueError(f"ssl_context must verify certificates and host names{PERMITS_INSECURE}")
        self.ssl_context: ssl.SSLContext | None = ssl_context
        self.proxy: ProxyAddress | None = None
        if not self.loopback:
            self.proxy = find_proxy(self.host, self.port, secure=self.secure, explicit=proxy)

    def behind(self, proxy: str) -> Dataspike:
        """Return a copy that goes through another proxy, unless NO_PROXY or a loopback URL rules it out.

        Raises:
            ValueError: when it is not the URL of a proxy.
        """
        behind = copy.copy(self)
        if not self.loopback:
            behind.proxy = find_proxy(self.host, self.port, secure=self.secure, explicit=proxy)
        return behind

    @property
    def loopback(self) -> bool:
        """Whether the URL leads to this machine: 127.0.0.0/8, ::1 or the word localhost."""
        return is_loopback(self.host)

    @property
    def key(self) -> ApiKey:
        """The key, wrapped so that it is not shown."""
        return self._key

    @property
    def log_url(self) -> str:
        """The URL without user name, password and query: the only form that belongs in a log."""
        return f"{self._parts.scheme}://{self.authority}{self._parts.path}"

    @property
    def authority(self) -> str:
        """Host and port for the Host header; the scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def resource(self) -> str:
        """Path and query as in the request line."""
        return (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")

    def __repr__(self) -> str:
        # A traceback may show an object whose constructor raised.
        url = self.log_url if hasattr(self, "port") else None
        return f"Dataspike(url={url!r}, api_key={_SHOWN})"


def is_loopback(host: str) -> bool:
    """Return whether a URL's host is 127.0.0.0/8, ::1 or the word localhost; names are not resolved."""
    if host.lower() == "localhost":
        return True
    if "%" in host:  # ipaddress compares without the zone id, which leads to another interface
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _LOOPBACK)


def _resolve_key(given: list[str | ApiKey | None]) -> ApiKey:
    if isinstance(given[0], ApiKey):
        return given[0]
    if given[0] is not None:
        return ApiKey(cast("str", given.pop()))
    if not os.environ.get(KEY_VARIABLE):
        raise ValueError(f"no API key: pass api_key= or set {KEY_VARIABLE}")
    return ApiKey(os.environ[KEY_VARIABLE])


def _parse_url(url: str) -> SplitResult:
    problem = f"url (or {URL_VARIABLE}) must be a wss:// URL (or ws:// to this machine) with a host"
    if not (url.isascii() and url.isprintable() and " " not in url):
        raise ValueError(f"{problem}, in printable ASCII without spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"{problem} and a port from 1 to 65535") from None
    if parts.scheme not in {"wss", "ws"} or not parts.hostname or port == 0:
        raise ValueError(problem)
    if "%" in parts.hostname:
        raise ValueError(
            f"{problem}; leave out its zone id, the part from % on, which no certificate and no other machine knows"
        )
    if parts.fragment:
        raise ValueError(f"{problem} and without a fragment")
    return parts


def verifies(context: ssl.SSLContext) -> bool:
    """Return whether a TLS context checks certificates and host names."""
    return context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
