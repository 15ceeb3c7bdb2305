// <deepfake-badge>, defined by importing this.

import { DeepfakeBadge } from "./element.js";

export { DeepfakeBadge } from "./element.js";
export { COVERAGE_TOPIC, isTrusted, readPacket, RESULT_TOPIC } from "./packets.js";
export type { Coverage, Level, Packet, Report, Sender } from "./packets.js";
export { connectBadges, type DataHandler, type LeftHandler, type RoomEvents } from "./room.js";
export { TrackView, type BadgeState, type View } from "./state.js";

declare global {
  interface HTMLElementTagNameMap {
    "deepfake-badge": DeepfakeBadge;
  }
}

if (customElements.get("deepfake-badge") === undefined) customElements.define("deepfake-badge", DeepfakeBadge);
