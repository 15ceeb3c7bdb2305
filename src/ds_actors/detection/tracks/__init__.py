"""The actors of single tracks, what they decide and what feeds them."""
