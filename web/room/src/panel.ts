// The host's panel: the monitor's status and the parts of the command, once per second.

import { hostStatus, type HostStatus } from "./api";

export function showPanel(panel: HTMLElement, code: string): () => void {
  panel.hidden = false;
  let asking = false;
  const look = async (): Promise<void> => {
    if (asking) return;
    asking = true;
    try {
      draw(panel, await hostStatus(code));
    } catch (error) {
      rows(panel, "#figures", []);
      term(panel, "Command", `does not answer: ${(error as Error).message}`);
    } finally {
      asking = false;
    }
  };
  void look();
  const timer = setInterval(() => void look(), 1000);
  return () => {
    clearInterval(timer);
    panel.hidden = true;
  };
}

function draw(panel: HTMLElement, { monitor, parts }: HostStatus): void {
  rows(panel, "#figures", []);
  term(panel, "Monitor", monitor?.state ?? "starts");
  if (monitor !== null) {
    const trip = monitor.uplink.round_trip;
    term(panel, "Tracks checked", monitor.watching);
    term(panel, "Connection to the sandbox", monitor.uplink.state);
    term(panel, "Samples sent", String(monitor.uplink.sent));
    term(panel, "Round trip", trip === null ? "not measured yet" : `${Math.round(trip * 1000)} ms`);
  }
  rows(
    panel,
    "#tracks",
    (monitor?.tracks ?? []).map((track) => [
      track.participant,
      track.level,
      track.coverage,
      track.target_fps.toFixed(1),
      String(track.sent),
      track.seconds_since_verdict === null ? "none yet" : `${track.seconds_since_verdict.toFixed(0)} s ago`,
    ]),
  );
  rows(
    panel,
    "#parts",
    parts.map((part) => [part.name, part.state, String(part.restarts)]),
  );
}

function rows(panel: HTMLElement, where: string, cells: string[][]): void {
  panel.querySelector(where)?.replaceChildren(
    ...cells.map((row) => {
      const made = document.createElement("tr");
      made.append(...row.map((text) => cell("td", text)));
      return made;
    }),
  );
}

function term(panel: HTMLElement, name: string, value: string): void {
  const pair = document.createElement("div");
  pair.append(cell("dt", name), cell("dd", value));
  panel.querySelector("#figures")?.append(pair);
}

function cell(kind: string, text: string): HTMLElement {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}
