// <deepfake-badge>: what the detector says of one track.

import { readPacket, type Packet } from "./packets.js";
import { TrackView, type BadgeState, type View } from "./state.js";
import { styles } from "./styles.js";
import { ageText, stateText, WORDS } from "./wording.js";

/** Seconds: the detector's own limit, and three times the pause between two packets of its coverage. */
const STALE_AFTER = 15;

const ICONS: Record<BadgeState, string> = {
  unwatched: "M4 4l12 12M10 5c4 0 7 5 7 5a13 13 0 0 1-2 2.500M7 6c-3 1.500-4 4-4 4s3 5 7 5q1.500 0 2.500-.5",
  waiting: "M6 3h8M6 17h8M7 3c0 5 6 5 6 14M13 3c0 5-6 5-6 14",
  muted: "M3 6h9v8H3zM12 9l5-3v8l-5-3M3 3l14 14",
  stale: "M10 3a7 7 0 1 0 .01 0M10 6v4l3 2",
  unjudged: "M7 7a3 3 0 1 1 4 3q-1 .5-1 2M10 15v.5",
  encrypted: "M5 9h10v8H5zM7 9V6a3 3 0 0 1 6 0v3",
  clear: "M4 10l4 4 8-9",
  suspicious: "M10 3l8 14H2zM10 8v4M10 14.500v.5",
  alert: "M7 2h6l5 5v6l-5 5H7l-5-5V7zM10 6v5M10 13.500v.5",
};

/**
 * Shows one track's state as text, icon and colour, and tells assistive technology of each change.
 *
 * Attributes: `track` (the track's sid), `agent` (the detector's identity; without it, every participant of kind AGENT
 * is believed), `stale-after` (seconds without a packet, 15).
 * Fires `badge-change` with the new state in `detail`.
 */
export class DeepfakeBadge extends HTMLElement {
  static readonly observedAttributes = ["track", "agent", "stale-after"];

  readonly #view = new TrackView();
  readonly #polite = region("status");
  readonly #urgent = region("alert");
  readonly #age = element("span", "age");
  readonly #path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  readonly #box = element("span", "badge");
  #timer: ReturnType<typeof setInterval> | undefined;
  #shown: BadgeState | undefined;
  /** The identity of the detector that told what is shown. */
  #teller: string | undefined;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [styles()];
    const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    icon.setAttribute("viewBox", "0 0 20 20");
    icon.setAttribute("aria-hidden", "true");
    icon.append(this.#path);
    this.#box.setAttribute("part", "badge");
    this.#box.append(icon, this.#polite, this.#urgent, this.#age);
    root.append(this.#box);
  }

  /** What the badge shows. */
  get state(): BadgeState {
    return this.#now().state;
  }

  /** Take in a data packet; return whether it comes from the detector and tells of this track. */
  receive(packet: Packet): boolean {
    const track = this.getAttribute("track");
    const reports = readPacket(packet, this.getAttribute("agent") ?? undefined).filter((report) => report.track === track);
    if (reports.length === 0) return false;
    this.#teller = packet.sender?.identity;
    for (const report of reports) this.#view.apply(report, seconds());
    this.#show();
    return true;
  }

  /** Take note that a participant left; when it told what is shown here, the track is not watched any more. */
  participantLeft(identity: string): void {
    if (identity === this.#teller) this.reset();
  }

  /** Forget what was told. */
  reset(): void {
    this.#teller = undefined;
    this.#view.clear();
    this.#show();
  }

  connectedCallback(): void {
    this.#timer = setInterval(() => this.#show(), 1000);
    this.#show();
  }

  disconnectedCallback(): void {
    clearInterval(this.#timer);
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    // Another track or another detector: what was told says nothing about it.
    if (before !== after && name !== "stale-after") this.reset();
    else if (this.isConnected) this.#show();
  }

  #now(): View {
    const given = Number(this.getAttribute("stale-after"));
    return this.#view.at(seconds(), given > 0 ? given : STALE_AFTER);
  }

  #show(): void {
    const view = this.#now();
    const text = stateText(view);
    const urgent = view.state === "alert";
    // Written only when it changes: each writing is announced.
    write(this.#polite, urgent ? "" : text);
    write(this.#urgent, urgent ? text : "");
    write(this.#age, ageText(view.checkedAgo));
    if (view.state === this.#shown) return;
    this.#shown = view.state;
    this.dataset["state"] = this.#box.dataset["state"] = view.state;
    this.#box.title = WORDS[view.state].explanation;
    this.#path.setAttribute("d", ICONS[view.state]);
    this.dispatchEvent(new CustomEvent<BadgeState>("badge-change", { detail: view.state, bubbles: true }));
  }
}

function seconds(): number {
  return performance.now() / 1000;
}

function region(role: "status" | "alert"): HTMLElement {
  const made = element("span", "text");
  made.setAttribute("role", role);
  made.setAttribute("aria-live", role === "alert" ? "assertive" : "polite");
  return made;
}

function element(name: string, kind: string): HTMLElement {
  const made = document.createElement(name);
  made.className = kind;
  return made;
}

function write(into: HTMLElement, text: string): void {
  if (into.textContent !== text) into.textContent = text;
}
