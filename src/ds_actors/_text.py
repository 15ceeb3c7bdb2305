"""Words for people: text from strangers made fit to be shown, and counts."""

from __future__ import annotations


def plain(text: str, limit: int | None = None) -> str:
    """Return a stranger's text without control, format or surrogate characters, cut to `limit` characters.

    Bidirectional overrides and lone surrogates go too: they deceive a reader, or cannot be written as UTF-8.
    """
    return "".join(filter(str.isprintable, text))[:limit]


def counted(count: int, noun: str) -> str:
    """Return so many of a thing: "1 sample", "1,200 samples"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def escape(name: str) -> str:
    """Return a name as a path's part: no slash, no control character, nothing that is not ASCII or printable."""
    if name.isprintable() and "/" not in name and "%" not in name:
        return name
    return "".join(
        c if c.isprintable() and c not in "/%" else "".join(f"%{b:02x}" for b in c.encode("utf-8", "replace"))
        for c in name
    )
