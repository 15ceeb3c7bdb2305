// The log of data packets, newest first.

import { isTrusted, type Packet } from "ds-actors-badge";

const MOST_ENTRIES = 100;
const MOST_CHARACTERS = 300;
/** Packets of several kinds take turns; a repeat of one of the newest counts that one up, and moves it to the top. */
const NEWEST = 4;

interface Entry {
  readonly text: string;
  readonly trusted: boolean;
  readonly item: HTMLElement;
  times: number;
}

export class PacketLog {
  /** Newest first. */
  readonly #entries: Entry[] = [];

  constructor(
    private readonly list: HTMLElement,
    private readonly agent: string,
  ) {}

  add(packet: Packet): void {
    const trusted = isTrusted(packet, this.agent);
    const sender = packet.sender?.identity ?? "unknown sender";
    const text = trusted ? summary(packet) : `${sender}: ${summary(packet)}`;
    const repeated = this.#entries.slice(0, NEWEST).find((entry) => entry.text === text && entry.trusted === trusted);
    if (repeated !== undefined) {
      repeated.times += 1;
      write(repeated.item, ".time", new Date().toLocaleTimeString());
      write(repeated.item, ".times", `${repeated.times} times`);
      this.#entries.splice(this.#entries.indexOf(repeated), 1);
      this.#entries.unshift(repeated);
      if (this.list.firstElementChild !== repeated.item) this.list.prepend(repeated.item);
      return;
    }
    const item = document.createElement("p");
    item.dataset["trusted"] = String(trusted);
    item.append(
      part("time", new Date().toLocaleTimeString()),
      part("origin", trusted ? "detector" : "ignored: not the detector"),
      part("what", text),
      part("times", ""),
    );
    this.list.prepend(item);
    this.#entries.unshift({ text, trusted, item, times: 1 });
    for (const { item: old } of this.#entries.splice(MOST_ENTRIES)) old.remove();
  }
}

function summary(packet: Packet): string {
  const text = new TextDecoder().decode(packet.payload).slice(0, 16_384);
  try {
    return described(JSON.parse(text) as Record<string, unknown>).slice(0, MOST_CHARACTERS);
  } catch {
    return text.slice(0, MOST_CHARACTERS);
  }
}

function described(payload: Record<string, unknown>): string {
  if (!Array.isArray(payload["tracks"])) {
    return `${payload["level"]} for ${payload["participant_id"]} (${payload["track_id"]}): ${payload["message"]}`;
  }
  const tracks = payload["tracks"] as Record<string, unknown>[];
  return `coverage: ${tracks.map((track) => `${track["track_id"]} ${track["coverage"]}`).join(", ")}`;
}

function part(kind: string, text: string): HTMLElement {
  const made = document.createElement("span");
  made.className = kind;
  made.textContent = text;
  return made;
}

function write(item: HTMLElement, where: string, text: string): void {
  const found = item.querySelector(where);
  if (found !== null) found.textContent = text;
}
