// One tile per participant with a picture, each with the badge of its track.

import type { DeepfakeBadge } from "ds-actors-badge";
import type { Participant, Room, TrackPublication } from "livekit-client";
import { Track } from "livekit-client";

interface Tile {
  readonly item: HTMLLIElement;
  readonly video: HTMLVideoElement;
  readonly badge: DeepfakeBadge;
}

export class Tiles {
  readonly #tiles = new Map<string, Tile>();

  constructor(
    private readonly list: HTMLUListElement,
    private readonly room: Room,
    private readonly agent: string,
  ) {}

  badges(): DeepfakeBadge[] {
    return [...this.#tiles.values()].map((tile) => tile.badge);
  }

  /** Show the tracks that are in the room now. */
  update(): void {
    const shown = new Set<string>();
    for (const participant of [this.room.localParticipant, ...this.room.remoteParticipants.values()]) {
      if (participant.isAgent) continue;
      for (const publication of participant.trackPublications.values()) {
        if (publication.kind !== Track.Kind.Video) continue;
        shown.add(publication.trackSid);
        this.#show(participant, publication);
      }
    }
    for (const [sid, tile] of this.#tiles) {
      if (shown.has(sid)) continue;
      tile.item.remove();
      this.#tiles.delete(sid);
    }
  }

  #show(participant: Participant, publication: TrackPublication): void {
    const tile = this.#tiles.get(publication.trackSid) ?? this.#add(participant, publication);
    const media = publication.track?.mediaStreamTrack;
    const before = tile.video.srcObject instanceof MediaStream ? tile.video.srcObject.getVideoTracks()[0] : undefined;
    if (media !== before) tile.video.srcObject = media === undefined ? null : new MediaStream([media]);
  }

  #add(participant: Participant, publication: TrackPublication): Tile {
    const item = document.createElement("li");
    const name = participant.name || participant.identity;
    const video = document.createElement("video");
    video.muted = video.autoplay = video.playsInline = true;
    video.setAttribute("aria-label", `The picture of ${name}`);
    const heading = document.createElement("h3");
    heading.textContent = participant.isLocal ? `${name} (you)` : name;
    const badge = document.createElement("deepfake-badge");
    badge.setAttribute("track", publication.trackSid);
    badge.setAttribute("agent", this.agent);
    item.dataset["participant"] = participant.identity;
    item.append(video, heading, badge);
    this.list.append(item);
    const tile = { item, video, badge };
    this.#tiles.set(publication.trackSid, tile);
    return tile;
  }
}
