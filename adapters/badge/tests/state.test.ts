import assert from "node:assert/strict";
import { test } from "node:test";

import type { Coverage, Level, Report } from "../src/packets.js";
import { TrackView } from "../src/state.js";
import { ageText, stateText } from "../src/wording.js";

const STALE_AFTER = 15;

function view(...reports: [number, Report][]): TrackView {
  const made = new TrackView();
  for (const [at, report] of reports) made.apply(report, at);
  return made;
}

function verdict(level: Level): Report {
  return { kind: "verdict", track: "TR", level };
}

function coverage(coverage: Coverage, level?: Level, checkedAgo?: number): Report {
  return { kind: "coverage", track: "TR", coverage, level, checkedAgo };
}

test("a track that no packet told of is not watched", () => {
  assert.equal(view().at(1, STALE_AFTER).state, "unwatched");
});

test("a verdict sets the level and the time of the check", () => {
  assert.deepEqual(view([10, verdict("clear")]).at(14.5, STALE_AFTER), {
    state: "clear",
    unchecked: false,
    checkedAgo: 4.5,
  });
});

test("a clear level is stale when nothing more comes", () => {
  const quiet = view([0, verdict("clear")]);
  assert.equal(quiet.at(15, STALE_AFTER).state, "clear");
  assert.equal(quiet.at(15.1, STALE_AFTER).state, "stale");
});

for (const level of ["suspicious", "alert"] as const) {
  test(`${level} outlasts a mute and silence, and says that it is not checked now`, () => {
    const muted = view([0, verdict(level)], [1, coverage("muted", level)]).at(2, STALE_AFTER);
    assert.deepEqual([muted.state, muted.unchecked], [level, true]);
    assert.match(stateText(muted), /, not checked now$/);
    assert.equal(view([0, verdict(level)]).at(3600, STALE_AFTER).state, level);
  });
}

for (const [told, state] of [
  ["not_monitored", "unwatched"],
  ["not_subscribed", "unwatched"],
  ["muted", "muted"],
  ["encrypted", "encrypted"],
  ["failing", "stale"],
  ["no_frames", "stale"],
  ["too_small", "stale"],
  ["stale", "stale"],
  ["unjudged", "unjudged"],
  ["waiting", "waiting"],
  ["checked", "clear"],
] as const) {
  test(`coverage ${told} of a clear track shows ${state}`, () => {
    assert.equal(view([0, coverage(told, "clear", 3)]).at(1, STALE_AFTER).state, state);
  });
}

test("a verdict ends what coverage said before it", () => {
  assert.equal(view([0, coverage("unjudged")], [1, verdict("clear")]).at(2, STALE_AFTER).state, "clear");
});

test("coverage brings the age of a verdict that the page never saw", () => {
  assert.equal(view([100, coverage("checked", "clear", 4)]).at(101, STALE_AFTER).checkedAgo, 5);
});

test("the age is words", () => {
  assert.deepEqual([undefined, 0.4, 4.9, 61, 7200].map(ageText), [
    "",
    "checked just now",
    "checked 4 s ago",
    "checked 1 min ago",
    "checked over an hour ago",
  ]);
});
