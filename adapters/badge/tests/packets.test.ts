import assert from "node:assert/strict";
import { test } from "node:test";

import { readPacket, type Packet, type Sender } from "../src/packets.js";

const DETECTOR: Sender = { identity: "detector", kind: 4 };
const CLEAR = { type: "deepfake_alert", level: "clear", participant_id: "alice", track_id: "TR_1", message: "" };

function packet(payload: unknown, sender: Sender | undefined = DETECTOR, topic = "deepfake_alert"): Packet {
  const text = typeof payload === "string" ? payload : JSON.stringify(payload);
  return { payload: new TextEncoder().encode(text), topic, sender };
}

test("a verdict of the detector is read", () => {
  assert.deepEqual(readPacket(packet(CLEAR), undefined), [{ kind: "verdict", track: "TR_1", level: "clear" }]);
  assert.equal(readPacket(packet(CLEAR), "detector").length, 1);
});

test("coverage of the detector is read, track by track, without what is not understood", () => {
  const tracks = [
    { track_id: "TR_1", level: "unknown", coverage: "encrypted", checked_ms_ago: null },
    { track_id: "TR_2", level: "alert", coverage: "checked", checked_ms_ago: 4100 },
    { track_id: "TR_3", level: "clear", coverage: "from the future" },
    null,
  ];
  const told = readPacket(packet({ type: "deepfake_coverage", tracks }, DETECTOR, "deepfake_coverage"), undefined);
  assert.deepEqual(told, [
    { kind: "coverage", track: "TR_1", coverage: "encrypted", checkedAgo: undefined, level: undefined },
    { kind: "coverage", track: "TR_2", coverage: "checked", checkedAgo: 4.1, level: "alert" },
  ]);
});

for (const [who, sender] of Object.entries({
  "a participant who claims the detector's identity": { identity: "detector", kind: 0 },
  "an agent of another identity": { identity: "other", kind: 4 },
  "an egress": { identity: "detector", kind: 2 },
  "a sender that is not known": undefined,
})) {
  test(`a packet of ${who} says nothing`, () => {
    const forged: Packet = { ...packet(CLEAR), sender };
    assert.deepEqual(readPacket(forged, "detector"), []);
  });
}

for (const [what, wrong] of Object.entries({
  "another topic": packet(CLEAR, DETECTOR, "chat"),
  "the other topic": packet(CLEAR, DETECTOR, "deepfake_coverage"),
  "no JSON": packet("{"),
  "a list": packet([CLEAR]),
  "a level that is not known": packet({ ...CLEAR, level: "excellent" }),
  "a track that is no text": packet({ ...CLEAR, track_id: 7 }),
  "more bytes than a packet can have": packet({ ...CLEAR, message: "x".repeat(20_000) }),
})) {
  test(`a packet with ${what} says nothing`, () => assert.deepEqual(readPacket(wrong, undefined), []));
}
