"""The service's settings, and the key that does not show itself."""

from __future__ import annotations

import copy
import pickle
import ssl
import traceback

import pytest

from ds_actors.detection.service import ApiKey, Dataspike, is_loopback

SECRET = "sk-very-secret"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATASPIKE_API_KEY", "DATASPIKE_WS_URL", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_defaults() -> None:
    """With a key alone one gets the public service."""
    service = Dataspike(SECRET)
    assert service.log_url == "wss://api.dataspike.io/api/v4/deepfake/stream"
    assert (service.host, service.port, service.secure) == ("api.dataspike.io", 443, True)
    assert service.authority == "api.dataspike.io"
    assert service.resource == "/api/v4/deepfake/stream"
    assert service.upgrade_timeout == 10.0


def test_argument_then_environment_then_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument beats its variable, a variable the default."""
    monkeypatch.setenv("DATASPIKE_API_KEY", f"{SECRET}\n")
    monkeypatch.setenv("DATASPIKE_WS_URL", "wss://env.example/a")
    assert Dataspike().key.reveal() == SECRET
    assert Dataspike().host == "env.example"
    assert Dataspike("other", "wss://arg.example:8443/b?x=1").resource == "/b?x=1"
    assert Dataspike("other", "wss://arg.example:8443/b").authority == "arg.example:8443"
    assert Dataspike("other").key.reveal() == "other"


def test_no_key_names_parameter_and_variable() -> None:
    """The error names both ways to give one."""
    with pytest.raises(ValueError, match=r"api_key.*DATASPIKE_API_KEY"):
        Dataspike()


@pytest.mark.parametrize("key", ["", "  ", "a b", "a\r\nX: y", "schlüssel"])
def test_unusable_keys(key: str) -> None:
    """A key that no header may hold is refused without being shown."""
    with pytest.raises(ValueError, match=r"api_key \(or DATASPIKE_API_KEY\)") as caught:
        Dataspike(key)
    assert not key.strip() or key not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://x.example",
        "wss://",
        "wss://x.example:0",
        "wss://x.example:99999",
        "wss://x y",
        "wss://h/\n",
        "wss://h/#a",
        "wss://[::1",
        "ws://x.example/",
        "ws://127.0.0.1.example/",
        "ws://2130706433/",
        "ws://0.0.0.0/",
        "ws://[::1%eth0]/",
        "wss://[fe80::1%25eth0]/",
    ],
)
def test_unusable_urls(url: str) -> None:
    """An error names parameter and variable."""
    with pytest.raises(ValueError, match=r"url \(or DATASPIKE_WS_URL\)"):
        Dataspike(SECRET, url)


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/", "ws://127.8.9.1/", "ws://[::1]:80/", "ws://LOCALHOST:8080/a"])
def test_ws_to_this_machine(url: str) -> None:
    """Plain ws is for loopback."""
    assert Dataspike(SECRET, url).loopback


def test_allow_insecure() -> None:
    """Asked for by name, ws goes anywhere and certificates may go unverified."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError, match="ssl_context"):
        Dataspike(SECRET, ssl_context=context)
    assert Dataspike(SECRET, "ws://x.example/", allow_insecure=True, ssl_context=context).port == 80


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_unusable_timeouts(timeout: float) -> None:
    """A deadline is a finite number of seconds above 0."""
    with pytest.raises(ValueError, match="upgrade_timeout"):
        Dataspike(SECRET, upgrade_timeout=timeout)


def test_the_key_never_shows() -> None:
    """Not in repr, str, format, pickles or copies."""
    key = ApiKey(SECRET)
    service = Dataspike(key)
    assert [repr(key), str(key), f"{key}"] == ["***"] * 3
    assert SECRET not in repr(service) + str(service)
    for act in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            act(key)


@pytest.mark.parametrize("key", [SECRET, f"{SECRET} x"])
def test_the_key_is_in_no_traceback_with_locals(key: str) -> None:
    """Also where a constructor raises: rich shows the locals of every frame."""
    holder = [key]

    def construct() -> None:
        Dataspike(holder[0], "https://x.example")

    with pytest.raises(ValueError, match="DATASPIKE") as caught:
        construct()
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    shown = [str(frame.locals) for frame in frames if "service.py" in frame.filename and "test_" not in frame.filename]
    assert shown
    assert SECRET not in "".join(shown)


def test_the_log_url_is_bare() -> None:
    """User name, password and query stay out of logs."""
    service = Dataspike(SECRET, "wss://user:pass@x.example:99/p?token=1")
    assert service.log_url == "wss://x.example:99/p"
    assert "pass" not in repr(service)
    assert "token" not in repr(service)


@pytest.mark.parametrize("host", ["::ffff:127.0.0.1", "localhost.example", "a.localhost", "128.0.0.1", "::2", ""])
def test_what_is_not_loopback(host: str) -> None:
    """Nothing but 127.0.0.0/8, ::1 and the word."""
    assert not is_loopback(host)


def test_proxies_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY for wss, HTTP_PROXY for ws, NO_PROXY for exceptions, the argument first."""
    monkeypatch.setenv("HTTPS_PROXY", "http://me:p%40ss@secure.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "plain.example")
    proxy = Dataspike(SECRET, "wss://x.example/").proxy
    assert proxy is not None
    assert (proxy.host, proxy.port, proxy.username, proxy.password) == ("secure.example", 3128, "me", "p@ss")
    assert "p@ss" not in repr(proxy)
    plain = Dataspike(SECRET, "ws://x.example/", allow_insecure=True).proxy
    assert plain is not None
    assert (plain.host, plain.port) == ("plain.example", 80)
    given = Dataspike(SECRET, "wss://x.example/", proxy="socks5h://s.example").proxy
    assert given is not None
    assert (given.scheme, given.port) == ("socks5h", 1080)
    for exceptions in ("*", "x.example", "a, .example"):
        monkeypatch.setenv("NO_PROXY", exceptions)
        assert Dataspike(SECRET, "wss://x.example/").proxy is None
    for exceptions in ("notx.example,ample", "x.example:444"):
        monkeypatch.setenv("NO_PROXY", exceptions)
        assert Dataspike(SECRET, "wss://x.example/").proxy is not None
    assert Dataspike(SECRET, "wss://x.example:444/").proxy is None
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    assert Dataspike(SECRET, "wss://10.1.2.3/").proxy is None


def test_loopback_never_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment, the argument or a job says."""
    monkeypatch.setenv("HTTP_PROXY", "http://p.example:1")
    assert Dataspike(SECRET, "ws://127.0.0.1/").proxy is None
    assert Dataspike(SECRET, "wss://localhost/", proxy="http://p.example:1").proxy is None
    assert Dataspike(SECRET, "ws://[::1]/").behind("http://p.example:1").proxy is None
    behind = Dataspike(SECRET, "wss://x.example/").behind("http://p.example:1").proxy
    assert behind is not None
    assert behind.host == "p.example"


@pytest.mark.parametrize("value", ["ftp://p", "http://", "http://p:nope"])
def test_unusable_proxies(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The variable is named, its value (it may hold a password) is not."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ValueError, match="HTTPS_PROXY"):
        Dataspike(SECRET)
    with pytest.raises(ValueError, match=r"^proxy must"):
        Dataspike(SECRET, proxy=value)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_zone_id_is_named_as_what_is_wrong(scheme: str) -> None:
    """`::1%eth0` is not this machine's own address: the interface after the % decides where it leads."""
    with pytest.raises(ValueError, match="leave out its zone id, the part from % on"):
        Dataspike(SECRET, f"{scheme}://[::1%eth0]:8000/", allow_insecure=True)
    assert is_loopback("::1")
    assert not is_loopback("::1%eth0")
