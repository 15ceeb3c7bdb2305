"""The parts of `ds-actors simulate`."""
