"""The parts of `ds-actors demo`: what plays, what happens, and what is shown of it."""
