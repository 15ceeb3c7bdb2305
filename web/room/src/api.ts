// The command that serves this page.

export interface Pass {
  readonly url: string;
  readonly token: string;
  /** The detector's identity. */
  readonly agent: string;
  readonly host: boolean;
}

export interface TrackRow {
  readonly participant: string;
  readonly level: string;
  readonly coverage: string;
  readonly target_fps: number;
  readonly sent: number;
  readonly seconds_since_verdict: number | null;
}

export interface PartRow {
  readonly name: string;
  readonly state: string;
  readonly restarts: number;
}

export interface HostStatus {
  /** Null until the monitor's first report. */
  readonly monitor: {
    readonly state: string;
    readonly watching: string;
    readonly uplink: { readonly state: string; readonly sent: number; readonly round_trip: number | null };
    readonly tracks: readonly TrackRow[];
  } | null;
  readonly parts: readonly PartRow[];
}

/** Ask for a token. Throws an Error whose message is for the reader. */
export async function askToJoin(name: string, code: string): Promise<Pass> {
  const answer = await fetch("api/join", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name, code }),
  });
  return read<Pass>(answer);
}

/** Return what only the host may see. */
export async function hostStatus(code: string): Promise<HostStatus> {
  return read<HostStatus>(await fetch("api/status", { headers: { Authorization: `Bearer ${code}` } }));
}

async function read<T>(answer: Response): Promise<T> {
  const body: unknown = await answer.json();
  if (!answer.ok) throw new Error((body as { error: string }).error);
  return body as T;
}
