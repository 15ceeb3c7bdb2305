"""Strangers' text, made fit to be shown or to be part of a path."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors._text import counted, escape, plain

anything = st.text(
    st.characters() | st.characters(categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Zs"]) | st.sampled_from("/% ")
)
encodable = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("/% \n\u202e"))


@given(anything)
def test_what_can_deceive_or_break_a_reader_is_taken_out_and_nothing_else(text: str) -> None:
    """All that is left can be printed and encoded; plain spaces stay, and so does each printable character."""
    shown = plain(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown
    assert shown == "".join(c for c in text if c in shown)
    assert not any(c.isprintable() for c in text if c not in shown)


@given(anything, st.integers(0, 5))
def test_a_limit_counts_the_characters_that_are_shown(text: str, limit: int) -> None:
    """What is taken out takes no room."""
    assert plain(text, limit) == plain(text)[:limit]


@given(encodable)
def test_every_name_has_a_path_of_its_own(name: str) -> None:
    """It is read back as a URL is; it has no slash, and nothing that a terminal obeys."""
    part = escape(name)
    assert "/" not in part
    assert part.isprintable()
    assert unquote(part) == name


@given(anything)
def test_a_name_that_no_encoding_can_hold_has_a_path_too(name: str) -> None:
    """Lone surrogates come from file names."""
    assert escape(name).isprintable()


@pytest.mark.parametrize(
    ("name", "part"), [("Zoë 3", "Zoë 3"), ("a/b%", "a%2fb%25"), ("é\n", "é%0a"), ("\ud800", "%3f")]
)
def test_only_what_a_path_cannot_hold_is_escaped(name: str, part: str) -> None:
    """Letters of all languages and spaces stay."""
    assert escape(name) == part


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 tracks"), (1, "1 track"), (2, "2 tracks"), (1_200, "1,200 tracks")]
)
def test_counts_read_as_people_write_them(count: int, words: str) -> None:
    """One of a thing has no s, and thousands have a comma."""
    assert counted(count, "track") == words


def test_an_ordinary_name_is_its_own_part_of_a_path() -> None:
    """Itself, not a copy: a path is made each time one is shown."""
    name = "an ordinary name"
    assert escape(name) is name
