// What a badge shows, from what the detector told and when. No clock and no DOM: times are arguments, in seconds.

import type { Coverage, Level, Report } from "./packets.js";

export type BadgeState =
  | "unwatched"
  | "waiting"
  | "muted"
  | "stale"
  | "unjudged"
  | "encrypted"
  | "clear"
  | "suspicious"
  | "alert";

export interface View {
  readonly state: BadgeState;
  /** Whether the level still holds although the track is not checked now. */
  readonly unchecked: boolean;
  /** Seconds since the last verdict. */
  readonly checkedAgo: number | undefined;
}

const STATES: Record<Coverage, BadgeState | undefined> = {
  not_monitored: "unwatched",
  not_subscribed: "unwatched",
  muted: "muted",
  encrypted: "encrypted",
  failing: "stale",
  no_frames: "stale",
  too_small: "stale",
  stale: "stale",
  unjudged: "unjudged",
  waiting: "waiting",
  checked: undefined,
};

/** What is known of one track. */
export class TrackView {
  #level: Level | undefined;
  #coverage: Coverage | undefined;
  #told: number | undefined;
  #checked: number | undefined;

  /** Take in a report that arrived at `now`. */
  apply(report: Report, now: number): void {
    this.#told = now;
    if (report.kind === "verdict") {
      this.#level = report.level;
      this.#checked = now;
      // The next coverage packet may be seconds away.
      if (this.#coverage !== undefined) this.#coverage = "checked";
      return;
    }
    this.#coverage = report.coverage;
    this.#level = report.level ?? this.#level;
    if (report.checkedAgo !== undefined) this.#checked = now - report.checkedAgo;
  }

  /** Forget everything, as when the detector has left. */
  clear(): void {
    this.#level = this.#coverage = this.#told = this.#checked = undefined;
  }

  /**
   * Return what to show at `now`; after `staleAfter` seconds without a packet, the track counts as not checked.
   *
   * An elevated level stays visible while the track is not checked: muting a camera ends no alert. A clear one does
   * not, because it says nothing about now.
   */
  at(now: number, staleAfter: number): View {
    const checkedAgo = this.#checked === undefined ? undefined : Math.max(0, now - this.#checked);
    if (this.#told === undefined) return { state: "unwatched", unchecked: false, checkedAgo };
    const covered = now - this.#told > staleAfter ? "stale" : this.#coverage && STATES[this.#coverage];
    if (this.#level === "suspicious" || this.#level === "alert") {
      return { state: this.#level, unchecked: covered !== undefined, checkedAgo };
    }
    return { state: covered ?? this.#level ?? "waiting", unchecked: false, checkedAgo };
  }
}
