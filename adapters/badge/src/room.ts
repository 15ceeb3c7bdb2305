// The badges of a page and livekit-client's Room; only the parts of it that are used, so that nothing is imported.

import { type DeepfakeBadge } from "./element.js";
import type { Sender } from "./packets.js";

type Handler = (...args: never[]) => void;

/** The parts of livekit-client's `Room` that are used. */
export interface RoomEvents {
  on(event: "dataReceived", handler: DataHandler): unknown;
  on(event: "participantDisconnected", handler: LeftHandler): unknown;
  on(event: "disconnected", handler: () => void): unknown;
  off(event: "dataReceived" | "participantDisconnected" | "disconnected", handler: Handler): unknown;
}

export type DataHandler = (payload: Uint8Array, participant?: Sender, kind?: unknown, topic?: string) => void;
export type LeftHandler = (participant: Sender) => void;

/**
 * Pass each data packet of a room to the badges that `badges()` returns, and reset those whose detector leaves.
 *
 * Returns a function that ends it.
 */
export function connectBadges(room: RoomEvents, badges: () => Iterable<DeepfakeBadge>): () => void {
  const received: DataHandler = (payload, sender, _kind, topic) => {
    for (const badge of badges()) badge.receive({ payload, sender, topic });
  };
  const left: LeftHandler = ({ identity }) => {
    for (const badge of badges()) badge.participantLeft(identity);
  };
  const gone = (): void => {
    for (const badge of badges()) badge.reset();
  };
  room.on("dataReceived", received);
  room.on("participantDisconnected", left);
  room.on("disconnected", gone);
  return () => {
    room.off("dataReceived", received as Handler);
    room.off("participantDisconnected", left as Handler);
    room.off("disconnected", gone);
  };
}
