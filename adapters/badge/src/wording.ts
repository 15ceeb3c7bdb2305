// The words of a badge.

import type { BadgeState, View } from "./state.js";

export interface Words {
  readonly label: string;
  readonly explanation: string;
}

export const WORDS: Record<BadgeState, Words> = {
  unwatched: { label: "Not watched", explanation: "No detector reports on this picture." },
  waiting: { label: "Waiting", explanation: "No verdict has arrived yet." },
  muted: { label: "Camera off", explanation: "There is no picture to check." },
  stale: { label: "Not checked now", explanation: "No verdict has arrived for a while." },
  unjudged: { label: "No verdict", explanation: "The picture is sent, but the service gives no verdict." },
  encrypted: { label: "Encrypted", explanation: "The detector has no key to this picture." },
  clear: { label: "Clear", explanation: "No signs of manipulation were found." },
  suspicious: { label: "Suspicious", explanation: "Signs of manipulation are possible." },
  alert: { label: "Alert", explanation: "Manipulation was detected." },
};

/** Return the text that is announced; it changes only with the state, not with time. */
export function stateText(view: View): string {
  const { label } = WORDS[view.state];
  return view.unchecked ? `${label}, not checked now` : label;
}

/** Return when the last verdict came, as "checked 4 s ago"; empty without a verdict. */
export function ageText(seconds: number | undefined): string {
  if (seconds === undefined) return "";
  if (seconds < 1) return "checked just now";
  if (seconds < 60) return `checked ${Math.floor(seconds)} s ago`;
  return seconds < 3600 ? `checked ${Math.floor(seconds / 60)} min ago` : "checked over an hour ago";
}
