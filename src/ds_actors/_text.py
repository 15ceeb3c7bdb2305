"""Text from strangers, made fit to be shown."""

from __future__ import annotations


def plain(text: str, limit: int | None = None) -> str:
    """Return a stranger's text without control, format or surrogate characters, cut to `limit` characters.

    Bidirectional overrides and lone surrogates go too: they deceive a reader, or cannot be written as UTF-8.
    """
    kept = "".join(c for c in text if c == " " or (c.isprintable() and not "\ud800" <= c <= "\udfff"))
    return kept if limit is None else kept[:limit]
