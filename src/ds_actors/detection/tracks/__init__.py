"""The actors of single tracks, their decisions and their sources."""
