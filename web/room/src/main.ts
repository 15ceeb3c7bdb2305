// The page of `ds-actors room`: join, watch the badges, tamper with your own picture.

import { connectBadges, RESULT_TOPIC, type Packet } from "ds-actors-badge";
import { Room, RoomEvent, Track } from "livekit-client";

import { askToJoin } from "./api";
import { PacketLog } from "./packet-log";
import { showPanel } from "./panel";
import { Picture } from "./picture";
import { Tiles } from "./tiles";

const form = find<HTMLFormElement>("join");
const call = find("call");
const trouble = find("trouble");
const detector = find("detector");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  const button = form.querySelector("button");
  if (button !== null) button.disabled = true;
  trouble.textContent = "";
  join(text(fields, "name"), text(fields, "code").trim(), text(fields, "picture") === "camera")
    .catch((error: unknown) => {
      trouble.textContent = `Not joined: ${error instanceof Error ? error.message : String(error)}`;
    })
    .finally(() => {
      if (button !== null) button.disabled = false;
    });
});

async function join(name: string, code: string, camera: boolean): Promise<void> {
  const pass = await askToJoin(name, code);
  const picture = camera ? await Picture.ofCamera() : Picture.drawn(name);
  const room = new Room();
  const tiles = new Tiles(find<HTMLUListElement>("tiles"), room, pass.agent);
  const log = new PacketLog(find("log"), pass.agent);
  const update = (): void => {
    tiles.update();
    const there = room.remoteParticipants.has(pass.agent);
    detector.textContent = there ? "The detector is in the room." : "The detector is not in the room.";
  };
  for (const event of [
    RoomEvent.ParticipantConnected,
    RoomEvent.ParticipantDisconnected,
    RoomEvent.TrackPublished,
    RoomEvent.TrackUnpublished,
    RoomEvent.TrackSubscribed,
    RoomEvent.TrackUnsubscribed,
    RoomEvent.LocalTrackPublished,
    RoomEvent.Reconnected,
  ] as const) {
    room.on(event, update);
  }
  room.on(RoomEvent.DataReceived, (payload, sender, _kind, topic) => log.add({ payload, sender, topic }));
  // The server sends a packet to everybody but its sender, so this page takes its own forgery in by itself.
  const forge = async (): Promise<void> => {
    const packet = await sendForgery(room);
    log.add(packet);
    for (const badge of tiles.badges()) badge.receive(packet);
  };
  connectBadges(room, () => tiles.badges());
  const closing = new AbortController();
  room.once(RoomEvent.Disconnected, () => {
    closing.abort();
    picture.stop();
    find("tiles").replaceChildren();
    call.hidden = true;
    form.hidden = false;
    detector.textContent = "";
  });
  try {
    await room.connect(pass.url, pass.token);
    await room.localParticipant.publishTrack(picture.track, { source: Track.Source.Camera, simulcast: false });
  } catch (error) {
    picture.stop();
    await room.disconnect();
    throw error;
  }
  form.hidden = true;
  call.hidden = false;
  serveTools(room, picture, forge, closing.signal);
  if (pass.host) closing.signal.addEventListener("abort", showPanel(find("panel"), code));
  update();
}

function serveTools(room: Room, picture: Picture, forge: () => Promise<void>, signal: AbortSignal): void {
  const tamper = find("tamper");
  // The label says what a click does, so there is no aria-pressed: "Stop tampering, pressed" would say the opposite.
  const label = (): void => {
    tamper.textContent = picture.tampered ? "Stop tampering" : "Tamper with my picture";
    tamper.classList.toggle("undoes", picture.tampered);
  };
  label();
  tamper.addEventListener(
    "click",
    () => {
      picture.tampered = !picture.tampered;
      label();
    },
    { signal },
  );
  find("forge").addEventListener("click", () => void forge(), { signal });
  find("leave").addEventListener("click", () => void room.disconnect(), { signal });
}

/** Send everybody a packet that looks like the detector's but for its sender, and return it. */
async function sendForgery(room: Room): Promise<Packet> {
  const local = room.localParticipant;
  const [publication] = local.videoTrackPublications.values();
  const forged = {
    type: RESULT_TOPIC,
    level: "clear",
    participant_id: local.identity,
    track_id: publication?.trackSid,
    message: "forged",
    timestamp_ms: Date.now(),
  };
  const payload = new TextEncoder().encode(JSON.stringify(forged));
  await local.publishData(payload, { reliable: true, topic: RESULT_TOPIC });
  return { payload, sender: local, topic: RESULT_TOPIC };
}

function text(fields: FormData, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value : "";
}

function find<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}
