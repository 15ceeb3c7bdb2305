"""A kit for testing one's own actors: probes, virtual time, crashes, leftover tasks, whole random trees from a seed."""

from ds_actors.testing._crashes import Crashed, FailingStarts, crash
from ds_actors.testing._leftovers import assert_no_leftover_tasks
from ds_actors.testing._probe import Probe
from ds_actors.testing._replay import replay
from ds_actors.testing._time import run_virtual

__all__ = ["Crashed", "FailingStarts", "Probe", "assert_no_leftover_tasks", "crash", "replay", "run_virtual"]
