"""Which hosts NO_PROXY takes from the proxy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.no_proxy import bypasses_proxy

COVERED = [
    ("x.example", "*"),
    ("x.example", "x.example"),
    ("X.Example", "x.EXAMPLE"),
    ("a.b.example", "example"),
    ("x.example", ".x.example"),
    ("x.example", "*.example"),
    ("x.example", "*.x.example"),
    ("x.example.", "x.example"),
    ("x.example", "x.example."),
    ("x.example", "other, x.example"),
    ("x.example", "other x.example"),
    ("x.example", "other,\tx.example ,"),
    ("x.example", "x.example:443"),
    ("x.example", "x.example:00443"),
    ("a.x.example", ".x.example:443"),
    ("a.x.example", "*:443"),
    ("10.1.2.3", "10.1.2.3"),
    ("10.1.2.3", "10.0.0.0/8"),
    ("10.1.2.3", "10.1.2.99/24"),
    ("10.1.2.3", "0.0.0.0/0"),
    ("10.1.2.3", "10.1.2.3:443"),
    ("10.1.2.3", "10.0.0.0/8:443"),
    ("fd00::1", "fd00::1"),
    ("fd00::1", "FD00:0:0::1"),
    ("fd00::1", "[fd00::1]"),
    ("fd00::1", "[fd00::1]:443"),
    ("fd00::1", "fd00::/8"),
    ("fd00::1", "[fd00::]/8"),
    ("fd00::1", "[fd00::/8]:443"),
    ("::1", "[::1]"),
]
NOT_COVERED = [
    ("x.example", ""),
    ("x.example", ", ,"),
    ("x.example", "."),
    ("x.example", "*."),
    ("x.example", ":443"),
    ("x.example", "ample"),
    ("x.example", "a.x.example"),
    ("x.example", "x.example:8443"),
    ("x.example", "x.example:"),
    ("x.example", "x.example:https"),
    ("x.example", "x.example:²"),
    ("x.example", "x.example:000443"),
    ("x.example", "*:80"),
    ("x.example", "x.*"),
    ("10.1.2.3", "11.0.0.0/8"),
    ("10.1.2.3", "10.0.0.0/33"),
    ("10.1.2.3", "10.0.0.0/"),
    ("10.1.2.3", "2.3"),
    ("10.1.2.3", ".3"),
    ("10.1.2.3", "10.1.2.3:80"),
    ("10.1.2.3", "::/0"),
    ("fd00::1", "0.0.0.0/0"),
    ("fd00::1", "fe80::/10"),
    ("fd00::1", "[fd00::1]:80"),
    ("fd00::1", "[fd00::1"),
    ("fd00::1", "[fd00::1:443"),
    ("fd00::1", "[fd00::1]]"),
    ("fd00::1", "fd00::/129"),
    ("3.example", "10.0.0.0/8"),
]


@pytest.mark.parametrize(("host", "no_proxy"), COVERED)
def test_what_is_taken_from_the_proxy(host: str, no_proxy: str) -> None:
    """Names with what is below them, addresses, blocks, ports, brackets, stars and trailing dots."""
    assert bypasses_proxy(host, 443, no_proxy)


@pytest.mark.parametrize(("host", "no_proxy"), NOT_COVERED)
def test_what_goes_through_the_proxy(host: str, no_proxy: str) -> None:
    """Part of a label, another port, another block, and entries that cannot be read."""
    assert not bypasses_proxy(host, 443, no_proxy)


@given(st.text(alphabet="ax.*:[]/,01 f²", max_size=30), st.sampled_from(["a.x", "10.0.0.1", "fd00::1", ""]))
def test_no_value_makes_it_fail(no_proxy: str, host: str) -> None:
    """An entry that cannot be read covers nothing, and hides none of the others."""
    bypasses_proxy(host, 443, no_proxy)
    assert host == "" or bypasses_proxy(host, 443, f"{no_proxy},{host}")
