"""One call that checks a sampling policy. The import needs neither hypothesis nor the monitor; the call needs both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ds_actors._extras import install_command

if TYPE_CHECKING:
    from ds_actors.detection.sampling import SamplingPolicy
    from ds_actors.testing.laws import Law


def check_sampling_policy(
    factory: Callable[[], SamplingPolicy], *, laws: Sequence[Law] = (), examples: int = 300, seed: int = 0
) -> None:
    """Check a policy against the laws, each of which compares it with its own promise.

    The check tries many timelines of verdicts, mutes, losses, outages, clock jumps and crashes, and a day without any.
    Equal calls try equal timelines, in each process and under each profile of hypothesis: raise `examples` or change
    `seed` to search further.

    Args:
        factory: makes a policy, as `Monitor(sampling=...)` takes it.
        laws: your own laws, which are checked after the built-in ones.
        examples: how many timelines to try.
        seed: which ones.

    Raises:
        LawBroken: for the first law, in the order of the documentation's table, that does not hold; with the smallest
            timeline found.
        TypeError: when the factory is a policy itself, or makes none.
        ValueError: when two laws have the same name.
        ModuleNotFoundError: when hypothesis, or what the monitor needs, is not installed; it says what installs it.
    """
    try:
        from ds_actors.testing._check import check  # noqa: PLC0415 - what it needs may not be installed
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "ds_actors":
            raise
        install = install_command("detection,testing")
        raise ModuleNotFoundError(f"check_sampling_policy needs {error.name}: {install}", name=error.name) from None
    check(factory, laws, examples, seed)
