"""The checks of `ds-actors doctor`, one module per group."""
