"""The parts of `ds-actors watch`."""
