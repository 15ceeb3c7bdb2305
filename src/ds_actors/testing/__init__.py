"""A kit for testing one's own actors: probes, virtual time, crashes on command, and a look at what is left over."""

from ds_actors.testing._crashes import Crashed, FailingStarts, crash
from ds_actors.testing._leftovers import assert_no_leftover_tasks
from ds_actors.testing._probe import Probe
from ds_actors.testing._time import run_virtual

__all__ = ["Crashed", "FailingStarts", "Probe", "assert_no_leftover_tasks", "crash", "run_virtual"]
