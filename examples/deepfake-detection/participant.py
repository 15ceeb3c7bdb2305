"""Joins a room as alice for 20 s, with a patch painted over the picture for 8 of them: python participant.py ROOM

Prints the agent's messages. Needs LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET, like the agent. The patch is the
one that `ds-actors sandbox` looks for, not a deepfake.
"""

import asyncio
import os
import sys
import time

import numpy as np
from livekit import api, rtc

from ds_actors.sandbox import paint_marker

WIDTH, HEIGHT = 640, 360


def picture(share: float) -> rtc.VideoFrame:
    grey = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    painted = paint_marker(grey, share) if share else grey
    return rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGB24, painted.tobytes())


def on_data(packet: rtc.DataPacket) -> None:
    # Any participant can send on this topic. The server, not the sender, sets the kind AGENT.
    agent = packet.participant is not None and packet.participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
    if agent and packet.topic == "deepfake_alert":
        print(packet.data.decode(), flush=True)


async def main(name: str) -> None:
    grants = api.VideoGrants(room_join=True, room=name)
    room = rtc.Room()
    room.on("data_received", on_data)
    await room.connect(os.environ["LIVEKIT_URL"], api.AccessToken().with_identity("alice").with_grants(grants).to_jwt())
    camera = rtc.VideoSource(WIDTH, HEIGHT)
    track = rtc.LocalVideoTrack.create_video_track("camera", camera)
    source = rtc.TrackSource.SOURCE_CAMERA
    await room.local_participant.publish_track(track, rtc.TrackPublishOptions(source=source))
    own, painted = picture(0), picture(0.2)
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < 20:
        camera.capture_frame(painted if 5 < elapsed < 13 else own)
        await asyncio.sleep(1 / 15)
    await room.local_participant.unpublish_track(track.sid)
    await camera.aclose()
    await room.disconnect()


if __name__ == "__main__":
    missing = [name for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET") if not os.environ.get(name)]
    if missing:
        sys.exit(f"set {', '.join(missing)}")
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "demo"))
