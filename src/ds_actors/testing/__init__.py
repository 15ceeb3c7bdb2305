"""A kit for testing your own actors and sampling policies.

For actors: probes, virtual time, crashes, whole random trees from a seed. For policies: the laws.
`strategies` is a separate module because it needs hypothesis: `from ds_actors.testing import strategies`.
"""

from ds_actors.testing._crashes import Crashed, FailingStarts, crash
from ds_actors.testing._law_broken import LawBroken
from ds_actors.testing._leftovers import assert_no_leftover_tasks
from ds_actors.testing._policies import check_sampling_policy
from ds_actors.testing._probe import Probe
from ds_actors.testing._replay import replay
from ds_actors.testing._time import run_virtual

__all__ = [
    "Crashed",
    "FailingStarts",
    "LawBroken",
    "Probe",
    "assert_no_leftover_tasks",
    "check_sampling_policy",
    "crash",
    "replay",
    "run_virtual",
]
