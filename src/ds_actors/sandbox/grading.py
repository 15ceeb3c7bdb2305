"""Grades which rules of the contract a client kept, from the records alone. Pure.

A rule that nothing put to the test counts as kept, and is marked untested.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from attrs import frozen

from ds_actors._text import counted
from ds_actors.detection.tracks.encoding import MAX_SAMPLE_BYTES
from ds_actors.detection.uplink.close_reasons import REFUSED_CODES, REFUSED_STATUSES
from ds_actors.sandbox.records import Attempt, ClientRecord, Received, RoundTrip

MAX_AGE: Final = 2.0
"""Seconds: a sample of this age is dropped."""
HIGHEST_FPS: Final = 30.0
PCM_BYTES: Final = 96_000
STABLE_AFTER: Final = 10.0
"""Seconds of connection, with an answer, after which the backoff starts again."""

_SENDING: Final = 0.25
"""Seconds that a sample may take from the client's last check of its age to the network."""
_QUIET: Final = 22.0
"""Seconds: a ping after 10 s, its answer within 10 s, and 2 s for the ping's way."""
_TIMING: Final = 0.1
"""Seconds by which two clocks may differ about one wait."""
_CAP: Final = 15.0
_FEWEST_GAPS: Final = 5


@frozen
class Row:
    """One line of the grade table."""

    client: str
    rule: str
    kept: bool
    figure: str
    """The measured figure; empty when the rule is untested."""
    tested: bool = True
    """Whether anything put the rule to the test."""


@frozen
class _Gap:
    """The wait between two attempts in one run of failures."""

    waited: float
    after: Attempt
    ordinary: int
    """The number of ordinary failures in the run so far, including this one."""
    refusals: int


def grade(
    clients: Sequence[ClientRecord],
    *,
    now: float,
    burst_fps: float = HIGHEST_FPS,
    outages: Sequence[tuple[float, float]] = (),
    cut_off: Sequence[tuple[float, float]] = (),
) -> list[Row]:
    """Return one row per rule and client.

    The network's delay is not the client's: a sample's age counts without the time from its first byte to its last, and
    without the round trip that the service measured then.

    Args:
        clients: the records.
        now: seconds since the service began.
        burst_fps: the highest rate that a track may have, in samples per second.
        outages: when the service did not listen (from, to); attempts at those times are not recorded.
        cut_off: when the network carried nothing (from, to), as far as the caller knows: the service cannot see that a
            client left then, and what was under way arrives late.
    """
    return [row for client in clients for row in _client(client, now, burst_fps, outages, cut_off)]


def _client(
    client: ClientRecord,
    now: float,
    burst_fps: float,
    outages: Sequence[tuple[float, float]],
    cut_off: Sequence[tuple[float, float]],
) -> Iterator[Row]:
    gaps = list(_gaps(client.attempts, outages))
    samples = list(client.samples)

    def row(rule: str, measured: tuple[bool, str] | None) -> Row:
        kept, figure = measured or (True, "")
        return Row(client.name, rule, kept, figure, tested=measured is not None)

    yield row("backs off: full jitter, to 15 s", _backoff(gaps))
    yield row("probes a refusal at 30 s to 5 min", _refusals(gaps))
    yield row("waits as long as Retry-After says", _retry_after(gaps))
    yield row("the key is in the header only", _key(client.attempts))
    yield row("leaves what is silent for 20 s", _quiet(client.connections, now, cut_off))
    yield row(f"no sample older than {MAX_AGE:g} s", _ages(samples, client.round_trips, cut_off))
    yield row(f"no track above {burst_fps:g} samples/s", _rates(samples, burst_fps))
    yield row("pictures of 2 MiB at most", _largest(samples))
    yield row("sound in chunks of 96,000 bytes", _chunks(samples))
    yield row("messages are well-formed samples", _malformed(client))


def _gaps(attempts: Sequence[Attempt], outages: Sequence[tuple[float, float]]) -> Iterator[_Gap]:
    ordinary = refusals = 0
    for before, after in pairwise(attempts):
        if before.ended is None:
            continue
        lived = before.ended - before.at
        if before.status is None and before.answered and lived >= STABLE_AFTER:
            ordinary = refusals = 0
        unseen = any(begin < after.at and end > before.ended for begin, end in outages)
        if before.ended_by == "client" or unseen or after.at < before.ended:
            # A client that was stopped and started again begins a new run.
            ordinary = refusals = 0
            continue
        if _refused(before):
            refusals += 1
        else:
            ordinary += 1
        yield _Gap(after.at - before.ended, before, ordinary, refusals)


def _refused(attempt: Attempt) -> bool:
    return attempt.status in REFUSED_STATUSES or (attempt.status is None and attempt.code in REFUSED_CODES)


def _backoff(gaps: Sequence[_Gap]) -> tuple[bool, str] | None:
    # Full jitter allows any single wait to be close to zero, so the run is tested as a whole: the sum of the waits
    # may be at most four standard deviations below its mean (uniform: mean c/2, variance c^2/12).
    ordinary = [gap for gap in gaps if not _refused(gap.after) and gap.after.retry_after is None]
    if not ordinary:
        return None
    ceilings = [min(_CAP, math.ldexp(0.5, min(gap.ordinary - 1, 100))) for gap in ordinary]
    total = sum(gap.waited for gap in ordinary)
    spread = math.sqrt(sum(ceiling**2 for ceiling in ceilings) / 12)
    least = max(sum(ceilings) / 2 - 4 * spread, sum(ceilings) / 10)
    kept = len(ordinary) < _FEWEST_GAPS or total >= least
    return kept, f"{counted(len(ordinary), 'wait')}, {total / len(ordinary):.2f} s on average"


def _refusals(gaps: Sequence[_Gap]) -> tuple[bool, str] | None:
    refused = [gap for gap in gaps if _refused(gap.after)]
    if not refused:
        return None
    least = [0.8 * min(300.0, math.ldexp(30.0, min(gap.refusals - 1, 100))) for gap in refused]
    kept = all(gap.waited >= seconds - _TIMING for gap, seconds in zip(refused, least, strict=True))
    return kept, f"{counted(len(refused), 'probe')}, {min(gap.waited for gap in refused):.1f} s apart"


def _retry_after(gaps: Sequence[_Gap]) -> tuple[bool, str] | None:
    asked = [(gap.waited, gap.after.retry_after) for gap in gaps if gap.after.status in (429, 503)]
    pairs = [(waited, min(300.0, seconds)) for waited, seconds in asked if seconds is not None]
    if not pairs:
        return None
    waited, seconds = min(pairs, key=lambda pair: pair[0] - pair[1])
    return waited >= seconds - _TIMING, f"waited {waited:.1f} s, asked for {seconds:g} s"


def _key(attempts: Sequence[Attempt]) -> tuple[bool, str] | None:
    shown = sum(attempt.key_in_url for attempt in attempts)
    return (shown == 0, f"{shown} of {counted(len(attempts), 'attempt')} showed it") if attempts else None


def _quiet(
    connections: Sequence[Attempt], now: float, cut_off: Sequence[tuple[float, float]]
) -> tuple[bool, str] | None:
    quiet: list[float] = []
    for connection in connections:
        spans = [(connection.quiet_from, connection.quiet_from + connection.quiet)]
        if connection.ended is None:
            spans.append((connection.last_sent, now))
        quiet.append(max(end - begin - _overlap(begin, end, cut_off) for begin, end in spans))
    return (max(quiet) <= _QUIET, f"longest {max(quiet):.1f} s") if quiet else None


def _overlap(begin: float, end: float, spans: Sequence[tuple[float, float]]) -> float:
    return sum(max(0.0, min(end, to) - max(begin, since)) for since, to in spans)


def _ages(
    samples: Sequence[Received], round_trips: Sequence[RoundTrip], cut_off: Sequence[tuple[float, float]]
) -> tuple[bool, str] | None:
    if not samples:
        return None
    own, network = max(
        (sample.age - max(carried, _overlap(sample.at - sample.age, sample.at, cut_off)), carried)
        for sample, carried in _carried(samples, list(round_trips))
    )
    said = f", and {network:.2f} s in the network" if network >= _TIMING else ""
    return own <= MAX_AGE + _SENDING, f"oldest {own:.2f} s of {len(samples)}{said}"


def _carried(samples: Sequence[Received], round_trips: Sequence[RoundTrip]) -> Iterator[tuple[Received, float]]:
    """Yield each sample with the seconds of its age that are the network's."""
    times = [measured.at for measured in round_trips]
    for sample in samples:
        # The pings before and after it: the delay may have begun between them.
        after = bisect_right(times, sample.at)
        around = round_trips[max(0, after - 1) : after + 1]
        yield sample, sample.transfer + max((measured.seconds for measured in around), default=0.0)


def _rates(samples: Sequence[Received], burst_fps: float) -> tuple[bool, str] | None:
    # A window long enough for five samples; it may hold two more, because the first and the last of a burst may
    # each be slightly off the grid. By the times of the captures: what a network held back arrives at once.
    times: dict[tuple[str, str], list[float]] = {}
    for sample in samples:
        times.setdefault((sample.participant, sample.track), []).append(sample.at - sample.age)
    if not times:
        return None
    window = max(1.0, 5 / burst_fps)
    most = max(_most_within(window, sorted(at)) for at in times.values())
    return most <= burst_fps * window + 2, f"{counted(most, 'sample')} in {window:g} s at most"


def _most_within(window: float, times: Sequence[float]) -> int:
    most = first = 0
    for last, time in enumerate(times):
        while times[first] <= time - window:
            first += 1
        most = max(most, last - first + 1)
    return most


def _sizes(samples: Sequence[Received], wanted: Callable[[Received], bool]) -> list[int]:
    return [sample.size for sample in samples if wanted(sample)]


def _largest(samples: Sequence[Received]) -> tuple[bool, str] | None:
    sizes = _sizes(samples, lambda sample: sample.format == "jpeg")
    return (max(sizes) <= MAX_SAMPLE_BYTES, f"largest {max(sizes):,} bytes") if sizes else None


def _chunks(samples: Sequence[Received]) -> tuple[bool, str] | None:
    sizes = _sizes(samples, lambda sample: sample.format == "pcm")
    odd = sum(size != PCM_BYTES for size in sizes)
    return (odd == 0, f"{odd} of {len(sizes)} were not") if sizes else None


def _malformed(client: ClientRecord) -> tuple[bool, str] | None:
    total = client.received + client.malformed
    return (client.malformed == 0, f"{client.malformed} of {total:,} were not") if total else None
