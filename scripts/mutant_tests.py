"""What `mutants.py` changes, the tests that must notice, and the changes that none can."""

from __future__ import annotations

ADAPTER = "livekit."

_MAILBOXES = ["tests/laws/test_mailbox_laws.py", "tests/laws/test_inbox_of_a_live_actor_laws.py"]
_ASSESSMENTS = [
    "tests/detection/levels/test_memory.py",
    "tests/detection/levels/test_assessment.py",
    "tests/laws/test_confirmation_laws.py",
    "tests/laws/test_assessment_laws.py",
]
_POLICIES = "tests/detection/sampling/test_policies.py"
_OUTBOX = ["tests/detection/uplink/test_outbox.py", "tests/laws/test_outbox_laws.py"]
_LINK = ["tests/detection/uplink/test_link_speed.py", "tests/detection/uplink/test_link_pace.py"]

# The tests that must fail, in order of their detections.
TESTS = {
    "ds_actors._supervision": [
        "tests/laws/test_supervision_laws.py",
        "tests/oracle/test_oracle.py::test_two_thousand_recorded_stories_come_out_as_erlang_told_them",
    ],
    "ds_actors._specs": ["tests/test_specs.py"],
    "ds_actors._rules": ["tests/laws/test_supervision_laws.py"],
    "ds_actors._backoff": ["tests/laws/test_backoff_laws.py"],
    "ds_actors._mailbox": _MAILBOXES,
    "ds_actors._queue_mailboxes": _MAILBOXES,
    "ds_actors._conflate": _MAILBOXES,
    "ds_actors._mailbox_guard": ["tests/test_mailbox_guard.py"],
    "ds_actors._exits": ["tests/test_exits.py"],
    "ds_actors._text": ["tests/test_text.py"],
    "ds_actors.detection.uplink.outbox": _OUTBOX,
    "ds_actors.detection.uplink.turn_queue": ["tests/detection/uplink/test_turn_queue.py", *_OUTBOX],
    "ds_actors.detection.uplink.grant_history": ["tests/detection/uplink/test_grant_history.py"],
    "ds_actors.detection.uplink.heartbeat": [
        "tests/detection/uplink/test_heartbeat.py",
        "tests/laws/test_uplink_laws.py",
    ],
    "ds_actors.detection.uplink.backoff": ["tests/detection/uplink/test_backoff.py", "tests/laws/test_uplink_laws.py"],
    "ds_actors.detection.uplink.close_reasons": [
        "tests/detection/uplink/test_close_reasons.py",
        "tests/laws/test_uplink_laws.py",
    ],
    "ds_actors.detection.uplink.availability": ["tests/detection/uplink/test_availability.py"],
    "ds_actors.detection.uplink.ledger": ["tests/detection/uplink/test_ledger.py"],
    "ds_actors.detection.uplink.answers": ["tests/detection/uplink/test_answers.py"],
    "ds_actors.detection.uplink.frames": ["tests/detection/uplink/test_frames.py"],
    "ds_actors.detection.uplink.link_speed": [*_LINK, "tests/laws/test_link_laws.py"],
    "ds_actors.detection.uplink.link_pace": [*_LINK, "tests/laws/test_link_laws.py"],
    "ds_actors.detection.uplink.slowness": ["tests/detection/uplink/test_slowness.py"],
    "ds_actors.detection.tracks.fitting": ["tests/detection/tracks/test_fitting.py"],
    "ds_actors.detection.tracks.backoff": ["tests/detection/tracks/test_track_backoff.py"],
    "ds_actors.detection.tracks.sampler": [
        "tests/detection/tracks/test_sampler_and_policy.py",
        "tests/detection/tracks/test_sampler.py",
    ],
    "ds_actors.detection.sampling.grid": ["tests/detection/sampling/test_grid.py"],
    "ds_actors.detection.sampling.adaptive": ["tests/detection/sampling/test_adaptive.py", _POLICIES],
    "ds_actors.detection.sampling.activity": ["tests/detection/sampling/test_activity.py", _POLICIES],
    "ds_actors.detection.sampling.combined": ["tests/detection/sampling/test_combined.py", _POLICIES],
    "ds_actors.detection.sampling.undecided": ["tests/detection/sampling/test_undecided.py", _POLICIES],
    "ds_actors.detection.sampling.jitter": ["tests/detection/sampling/test_jitter.py"],
    "ds_actors.detection.levels.assessment": _ASSESSMENTS,
    "ds_actors.detection.levels.assessed_track": ["tests/detection/levels/test_assessed_track.py"],
    "ds_actors.detection.levels.confirmation": ["tests/laws/test_confirmation_laws.py"],
    "ds_actors.detection.levels.evidence": ["tests/detection/levels/test_evidence_figures.py"],
    "ds_actors.detection.levels.calibration": [
        "tests/detection/levels/test_calibration_figures.py",
        "tests/detection/levels/test_calibration.py",
    ],
    "ds_actors.detection.tracks.speech": ["tests/detection/tracks/test_speech.py"],
    "ds_actors.detection.tracks.registry": ["tests/detection/tracks/test_registry.py"],
    "ds_actors.detection.reporting.blindness": ["tests/detection/reporting/test_blindness.py"],
    "ds_actors.detection.budget": ["tests/detection/test_budget.py", "tests/laws/test_outbox_laws.py"],
    "ds_actors.detection.coverage": ["tests/detection/test_coverage.py", "tests/detection/levels/test_assessment.py"],
    "ds_actors.detection.privacy": ["tests/detection/test_privacy.py"],
    "ds_actors.detection.sinks._queue": [
        "tests/detection/sinks/test_sink_queue.py",
        "tests/laws/test_sink_queue_laws.py",
    ],
    "ds_actors.detection.sinks._signatures": ["tests/detection/sinks/test_signatures.py"],
    "ds_actors.detection.sinks._retries": ["tests/detection/sinks/test_retries.py"],
    "ds_actors.detection.sinks._cooldown": [
        "tests/detection/sinks/test_cooldown.py",
        "tests/laws/test_cooldown_laws.py::test_the_memory_is_bounded_and_ends_with_the_cooldown",
    ],
    "ds_actors.detection.no_proxy": ["tests/detection/test_no_proxy.py"],
    "ds_actors.detection.retry_after": ["tests/detection/test_retry_after.py"],
    "ds_actors.detection.events": ["tests/detection/test_events.py"],
    "ds_actors.detection.settings.schema": ["tests/detection/settings/test_settings.py"],
    "ds_actors.detection.settings.resolving": ["tests/detection/settings/test_settings.py"],
    "ds_actors.detection.settings.monitor_settings": ["tests/detection/settings/test_settings.py"],
    "ds_actors.detection.settings.reading": ["tests/detection/settings/test_settings.py"],
    "ds_actors.detection.reporting.log_throttle": ["tests/detection/reporting/test_log_throttle.py"],
    "ds_actors.detection.tracks.frame_size": ["tests/detection/tracks/test_frame_size.py"],
    "ds_actors.detection.uplink.wire": ["tests/detection/uplink/test_wire.py"],
    "ds_actors.detection.uplink.wire_names": ["tests/detection/uplink/test_wire_names.py"],
    "ds_actors.detection.errors": ["tests/detection/test_errors.py"],
    "ds_actors.detection.status": ["tests/detection/test_status.py"],
    "ds_actors.detection.toml_text": ["tests/detection/test_toml_text.py"],
    "ds_actors.detection.reporting.metric_values": ["tests/detection/reporting/test_metric_values.py"],
    "ds_actors.detection.reporting.progress_text": ["tests/detection/reporting/test_progress_text.py"],
    "ds_actors.detection.uplink.outbox_counts": ["tests/detection/uplink/test_outbox.py"],
    "ds_actors.detection.sampling.protocol": ["tests/detection/sampling/test_protocol.py"],
    "ds_actors.detection.sinks._reports": ["tests/detection/sinks/test_reports.py"],
    "ds_actors.cli._scan.segments": ["tests/cli/test_scan_segments.py"],
    "ds_actors.cli._scan.clock": ["tests/cli/test_scan_clock.py"],
    "ds_actors.simulation.bound": ["tests/simulation/test_bound.py"],
    "ds_actors.simulation._link": ["tests/simulation/test_simulated_link.py"],
    "ds_actors.simulation._track": ["tests/simulation/test_simulated_track.py"],
    "ds_actors.simulation.alone": ["tests/simulation/test_lone_track.py", "tests/simulation/test_alone.py"],
    "ds_actors.simulation.engine": ["tests/simulation/test_engine.py"],
    "ds_actors.simulation.outcome": ["tests/simulation/test_outcome.py"],
    "ds_actors.simulation.search": ["tests/simulation/test_search_steps.py", "tests/simulation/test_search.py"],
    "ds_actors.simulation.service": ["tests/simulation/test_simulated_service.py"],
    "ds_actors.simulation.tuning": ["tests/simulation/test_tuning.py"],
    "ds_actors.simulation.statistics": ["tests/simulation/test_statistics.py"],
    "ds_actors.serving._frames": ["tests/serving/test_frames_of_models.py"],
    "ds_actors.serving.metric_values": ["tests/serving/test_service_metric_values.py"],
    "ds_actors.serving.queue": ["tests/serving/test_queue.py"],
    "livekit.plugins.dataspike._rules": [
        "tests/adapters/livekit/test_track_rules.py",
        "tests/adapters/livekit/test_watcher.py",
    ],
    "livekit.plugins.dataspike._forwarding_rules": ["tests/adapters/livekit/test_forwarding_rules.py"],
    "livekit.plugins.dataspike._stall_rules": ["tests/adapters/livekit/test_stall_rules.py"],
    "livekit.plugins.dataspike._layers": ["tests/adapters/livekit/test_layers.py"],
    "livekit.plugins.dataspike._coverage_reports": ["tests/adapters/livekit/test_coverage_reports.py"],
    "livekit.plugins.dataspike._pending": ["tests/adapters/livekit/test_pending.py"],
    "livekit.plugins.dataspike._subscriptions": ["tests/adapters/livekit/test_subscriptions.py"],
    "livekit.plugins.dataspike.keeper.records": ["tests/adapters/livekit/test_keeper_records.py"],
    "livekit.plugins.dataspike.keeper.rules": ["tests/adapters/livekit/test_keeper_rules.py"],
}

# Survivors by module, line and change, with the reason why no test can or should detect them.
SURVIVORS: dict[tuple[str, str, str, str], str] = {
    (
        "ds_actors._backoff",
        "doublings = min(count - 1, 1000)",
        "1000",
        "1001",
    ): "any number that leads beyond every cap will do",
    (
        "ds_actors._supervision",
        "cause = self.children.get(current.cause) if current.cause is not None else None",
        "self.children.get(current.cause) if current.cause is not None else None",
        "self.children.get(current.cause)",
    ): "no child is called None; the condition is there for the types",
    (
        "ds_actors._exits",
        'return Exit(cast("Exception | None", crash), None if upward is None else unwrapped(upward), stopped)',
        "None if upward is None else unwrapped(upward)",
        "unwrapped(upward)",
    ): "None is no group, so it is returned as it is; the condition is there for the types",
    (
        "ds_actors._mailbox_guard",
        "return None",
        "return None",
        "pass",
    ): "the end of a function returns None anyway; the line is there for its readers",
    (
        "ds_actors.detection.privacy",
        "return WireNames(self._key or secrets.token_bytes(32)) if self.pseudonyms else None",
        "32",
        "33",
    ): "a random key of any such length will do",
    (
        "ds_actors.detection.uplink.backoff",
        "return iter(()) if failure.error is None else leaves(failure.error)",
        "iter(()) if failure.error is None else leaves(failure.error)",
        "leaves(failure.error)",
    ): "None is of no type that is looked for; the condition is there for the types",
    **{
        ("ds_actors.detection.uplink.outbox", line, before, after): "only the order of the numbers counts"
        for line, before, after in (("self._requests = 0", "0", "1"), ("self._requests += 1", "1", "2"))
    },
    (
        "ds_actors.detection.uplink.outbox",
        "return",
        "return",
        "pass",
    ): "the track of a sample has no request that is not settled; the return says that the message is dealt with",
    (
        "ds_actors.detection.uplink.answers",
        "self._sending = self._early = None",
        "self._sending = self._early = None",
        "pass",
    ): "the next send begins with both anew; until then they should say what is true",
    (
        "ds_actors.detection.uplink.frames",
        "return 2",
        "2",
        "3",
    ): "while the length is not known, any number above the bytes that have come will do",
    (
        "ds_actors.detection.uplink.link_speed",
        "if now >= self._free_at:",
        "now >= self._free_at",
        "now > self._free_at",
    ): "the moment in which the link becomes free may count for what was sent before it, or for what is sent then",
    (
        "ds_actors.detection.uplink.close_reasons",
        "words = first.split(None, 2)",
        "2",
        "3",
    ): "only the first two words are read; the number keeps a long line from being split further",
    (
        "ds_actors.simulation.bound",
        "while (after := 1 - misses ** (looks + 1)) < share:",
        "(after := (1 - misses ** (looks + 1))) < share",
        "(after := (1 - misses ** (looks + 1))) <= share",
    ): "the end of one interval is the beginning of the next",
    (
        "ds_actors.simulation.service",
        "return fault if isinstance(fault, kind) else None",
        "fault if isinstance(fault, kind) else None",
        "fault",
    ): "a fault is kept under its own type; the condition is there for the types",
    (
        "ds_actors.simulation._link",
        "self._failed(rejected(refusal.status, headers, 0.0))",
        "0.0",
        "1.0",
    ): "the wall clock is for a Retry-After that is a date; a script's is a number of seconds",
    (
        "ds_actors.simulation.search",
        "return self.judge.answer(truth, ((mixed ^ (mixed >> 31)) >> 11) * 2.0**-53, 1.0)",
        "1.0",
        "2.0",
    ): "this judge confuses no levels; from 1 on, any draw says so",
    ("ds_actors.serving.queue", "self._turn += 1", "1", "2"): "only the order of the turns counts",
    (
        "livekit.plugins.dataspike.keeper.rules",
        "answered_at, unanswered = before.get(detector.sid, (now, 0))",
        "0",
        "1",
    ): "a detector that is seen first has been silent for no time; at its next look it has two unanswered ones anyway",
    (
        "livekit.plugins.dataspike.keeper.rules",
        "wait = min(LONGEST_WAIT, math.ldexp(FIRST_WAIT, min(known.requests, 10)))",
        "10",
        "11",
    ): "any number that leads beyond the longest wait will do",
    (
        "ds_actors.detection.tracks.fitting",
        "if lower < quality:",
        "lower < quality",
        "lower <= quality",
    ): "the first attempt again, which is left out because it is no smaller than what was tried",
    (
        "ds_actors.detection.levels.evidence",
        "if self._verdicts > _MOST_VERDICTS:",
        "self._verdicts > _MOST_VERDICTS",
        "self._verdicts >= _MOST_VERDICTS",
    ): "the sum of so many fractions is never just that",
    (
        "ds_actors.detection.levels.evidence",
        "if self.alarm_odds > _MOST_ALARM_ODDS:",
        "self.alarm_odds > _MOST_ALARM_ODDS",
        "self.alarm_odds >= _MOST_ALARM_ODDS",
    ): "no target meets a bound that is a power of e",
    (
        "ds_actors.detection.levels.calibration",
        "if alike > _LEAST_CORRELATION:",
        "alike > _LEAST_CORRELATION",
        "alike >= _LEAST_CORRELATION",
    ): "a quotient of such sums is never just that",
    (
        "ds_actors.detection.sampling.grid",
        "self._due = max(now, min(self._due, after) if fps > self._fps else after)",
        "fps > self._fps",
        "fps >= self._fps",
    ): "only a rate that differs comes here",
    (
        "ds_actors.detection.sampling.adaptive",
        "self._level = level",
        "self._level = level",
        "pass",
    ): "the level only spares putting the same reason together again",
    (
        "ds_actors.detection.sampling.combined",
        "if ready <= plan.due + _NOTHING:",
        "ready <= plan.due + _NOTHING",
        "ready < plan.due + _NOTHING",
    ): "so little is for rounding, which is never just that",
    **{
        (
            "ds_actors.detection.sinks._reports",
            "self._failing = False",
            before,
            after,
        ): "it only spares looking at every track again after each success"
        for before, after in (("self._failing = False", "pass"), ("False", "True"))
    },
    (
        "ds_actors.detection.tracks.speech",
        "loud = loudness(block) > FLOOR_DBFS",
        "loudness(block) > FLOOR_DBFS",
        "loudness(block) >= FLOOR_DBFS",
    ): "the logarithm of whole samples is never just that",
}
