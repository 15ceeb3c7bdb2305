// What a data packet says, and whether it is believed. Any participant can publish on the detector's topics, so the
// sender decides: its kind is AGENT, which the server sets from its token.

export const RESULT_TOPIC = "deepfake_alert";
export const COVERAGE_TOPIC = "deepfake_coverage";

/** More than LiveKit lets a reliable packet hold. */
const MOST_BYTES = 16_384;
/** The value of livekit-client's `ParticipantKind.AGENT`. */
const AGENT = 4;

export type Level = "clear" | "suspicious" | "alert";

export type Coverage =
  | "not_monitored"
  | "muted"
  | "encrypted"
  | "not_subscribed"
  | "failing"
  | "no_frames"
  | "too_small"
  | "stale"
  | "unjudged"
  | "waiting"
  | "checked";

/** The parts of livekit-client's `Participant` that matter here. */
export interface Sender {
  readonly identity: string;
  readonly kind: number;
}

/** A data packet as livekit-client hands it over. */
export interface Packet {
  readonly payload: Uint8Array;
  readonly topic: string | undefined;
  readonly sender: Sender | undefined;
}

/** What one packet tells of one track. */
export type Report =
  | { readonly kind: "verdict"; readonly track: string; readonly level: Level }
  | {
      readonly kind: "coverage";
      readonly track: string;
      readonly level: Level | undefined;
      readonly coverage: Coverage;
      /** Seconds since the track's last verdict. */
      readonly checkedAgo: number | undefined;
    };

const LEVELS: ReadonlySet<unknown> = new Set(["clear", "suspicious", "alert"] satisfies Level[]);
const COVERAGES: ReadonlySet<unknown> = new Set([
  "not_monitored",
  "muted",
  "encrypted",
  "not_subscribed",
  "failing",
  "no_frames",
  "too_small",
  "stale",
  "unjudged",
  "waiting",
  "checked",
] satisfies Coverage[]);

/** Return whether a packet comes from the detector: an agent, and the one of that identity where one is given. */
export function isTrusted(packet: Packet, agent: string | undefined): boolean {
  const sender = packet.sender;
  return sender !== undefined && sender.kind === AGENT && (agent === undefined || sender.identity === agent);
}

/** Return what a trusted packet tells, track by track; nothing for a packet that is not trusted or not understood. */
export function readPacket(packet: Packet, agent: string | undefined): Report[] {
  if (!isTrusted(packet, agent) || packet.payload.byteLength > MOST_BYTES) return [];
  if (packet.topic !== RESULT_TOPIC && packet.topic !== COVERAGE_TOPIC) return [];
  const payload = asObject(parsed(packet.payload));
  if (payload === undefined || payload["type"] !== packet.topic) return [];
  if (packet.topic === RESULT_TOPIC) {
    const { track_id: track, level } = payload;
    return typeof track === "string" && isLevel(level) ? [{ kind: "verdict", track, level }] : [];
  }
  const tracks = payload["tracks"];
  return Array.isArray(tracks) ? tracks.flatMap(coverageOf) : [];
}

function coverageOf(entry: unknown): Report[] {
  const { track_id: track, level, coverage, checked_ms_ago: age } = asObject(entry) ?? {};
  if (typeof track !== "string" || !isCoverage(coverage)) return [];
  const checkedAgo = typeof age === "number" && age >= 0 ? age / 1000 : undefined;
  return [{ kind: "coverage", track, coverage, checkedAgo, level: isLevel(level) ? level : undefined }];
}

function parsed(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function isLevel(value: unknown): value is Level {
  return LEVELS.has(value);
}

function isCoverage(value: unknown): value is Coverage {
  return COVERAGES.has(value);
}
