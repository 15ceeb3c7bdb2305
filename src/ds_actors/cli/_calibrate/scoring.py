"""A detector's scores of labelled files: what `scan` does with them, and the probability behind each answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import trio
from attrs import define, field

from ds_actors.cli._calibrate.labels import LabelledFile
from ds_actors.cli._scan.result import StreamScan
from ds_actors.cli._scan.run import ScanRun
from ds_actors.detectors import Finding, Invalid
from ds_actors.detectors.calibration import ScoredTrack


@define(eq=False)
class ScoringRun:
    """One run of a detector over labelled files.

    Args:
        detector: its spec.
        files: what it judges, in this order.
        fps: samples a second of video.
        max_side: pixels of a sample's longer side, at most.
        complain: called with each problem of a file.
    """

    detector: str
    files: Sequence[LabelledFile]
    fps: float
    max_side: int | None
    complain: Callable[[str], object]
    problem: str = field(default="", init=False)
    """Why the detector could not be used."""
    interrupted: bool = field(default=False, init=False)
    incomplete: int = field(default=0, init=False)
    """Files and video streams of which something is missing."""
    _found: dict[StreamScan, list[Finding | Invalid]] = field(
        factory=dict[StreamScan, list[Finding | Invalid]], init=False
    )

    def run(self) -> None:
        """Scan all files, in a trio of its own."""
        results = [StreamScan(str(file.path), self.fps) for file in self.files]
        scan = ScanRun(results, self._show, max_side=self.max_side, detector=self.detector, outcomes=self._note)
        try:
            trio.run(scan.run, None)
        except* KeyboardInterrupt:
            scan.interrupted = True
        self.problem, self.interrupted = scan.service_problem, scan.interrupted

    def tracks(self) -> list[ScoredTrack]:
        """Return the scores of each video stream."""
        by_path = {str(file.path): file for file in self.files}
        return [
            ScoredTrack(
                by_path[scan.path].person,
                by_path[scan.path].manipulated,
                [outcome.probability if isinstance(outcome, Finding) else None for outcome in outcomes],
                scan.fps,
            )
            for scan, outcomes in self._found.items()
        ]

    def unjudged(self, *, manipulated: bool) -> Counter[str]:
        """Return how many samples have no verdict, by reason."""
        chosen = {str(file.path) for file in self.files if file.manipulated is manipulated}
        counts: Counter[str] = Counter()
        for scan, outcomes in self._found.items():
            if scan.path not in chosen:
                continue
            for outcome in outcomes:
                if isinstance(outcome, Invalid):
                    counts[f"error ({outcome.fault})"] += 1
                elif outcome.probability is None:
                    counts[outcome.reason] += 1
            counts["error (no answer)"] += scan.due - len(outcomes)
        return +counts

    def _note(self, scan: StreamScan, outcome: Finding | Invalid) -> None:
        self._found.setdefault(scan, []).append(outcome)

    def _show(self, scan: StreamScan) -> None:
        if scan.due:
            self._found.setdefault(scan, [])
        if scan.problem:
            self.incomplete += 1
            self.complain(f"{scan.name}: {scan.problem}")
