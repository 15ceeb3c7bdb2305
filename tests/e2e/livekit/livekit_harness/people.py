"""The people of a room, as a process: cameras with real pixels, microphones, and eyes on the data packets.

Run as `python -m livekit_harness.people`; it speaks `stdio`. One process holds as many participants, in as
many rooms, as it is told.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from attrs import define, field
from livekit import rtc

from ds_actors.sandbox.marker import paint_marker
from livekit_harness.stdio import claim_stdout, say, serve

_PICTURES: Final = 4
_AUDIO_FRAME: Final = 0.02
_SOURCES: Final = {
    "camera": rtc.TrackSource.SOURCE_CAMERA,
    "screen": rtc.TrackSource.SOURCE_SCREENSHARE,
    "unknown": rtc.TrackSource.SOURCE_UNKNOWN,
}
_pictures: dict[tuple[int, int, float], list[rtc.VideoFrame]] = {}


def pictures(width: int, height: int, share: float) -> list[rtc.VideoFrame]:
    """Return a few I420 frames with detail that moves, the patch over `share` of them."""
    key = (width, height, share)
    if key not in _pictures:
        rng = np.random.default_rng(7)
        small = rng.integers(60, 190, (math.ceil(height / 16), math.ceil(width / 16), 3)).astype(np.uint8)
        base = small.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
        frames: list[rtc.VideoFrame] = []
        for n in range(_PICTURES):
            picture = np.roll(base, 4 * n, axis=1)
            if share:
                picture = paint_marker(picture, share)
            frame = rtc.VideoFrame(width, height, rtc.VideoBufferType.RGB24, picture.tobytes())
            frames.append(frame.convert(rtc.VideoBufferType.I420))
        _pictures[key] = frames
    return _pictures[key]


@define(eq=False)
class Camera:
    """A published video track, and the task that feeds it."""

    width: int
    height: int
    fps: float
    share: float
    source: rtc.VideoSource = field(init=False)
    track: rtc.LocalVideoTrack = field(init=False)
    running: bool = True
    rotation: int = 0
    """0 to 3: quarters of a turn."""
    still: bool = False
    """The picture does not move, so it costs the encoder little."""

    def open(self, name: str) -> rtc.LocalVideoTrack:
        self.source = rtc.VideoSource(self.width, self.height)
        self.track = rtc.LocalVideoTrack.create_video_track(name, self.source)
        return self.track

    async def run(self) -> None:
        due, n = time.monotonic(), 0
        while True:
            if self.running:
                frames = pictures(self.width, self.height, self.share)
                frame = frames[0 if self.still else n % len(frames)]
                self.source.capture_frame(frame, timestamp_us=time.monotonic_ns() // 1000, rotation=self.rotation)  # type: ignore[arg-type]
                n += 1
            due = max(due + 1 / self.fps, time.monotonic() - 0.2)
            await asyncio.sleep(max(0.0, due - time.monotonic()))


@define(eq=False)
class Microphone:
    """A published audio track, and the task that feeds it: a tone of its own in each channel, or silence."""

    rate: int
    frequencies: list[float]
    talking: bool = True
    source: rtc.AudioSource = field(init=False)
    track: rtc.LocalAudioTrack = field(init=False)

    def open(self, name: str) -> rtc.LocalAudioTrack:
        self.source = rtc.AudioSource(self.rate, len(self.frequencies))
        self.track = rtc.LocalAudioTrack.create_audio_track(name, self.source)
        return self.track

    async def run(self) -> None:
        samples, n = int(self.rate * _AUDIO_FRAME), 0
        while True:
            t = (np.arange(samples) + n * samples) / self.rate
            waves = [8000 * np.sin(2 * np.pi * f * t) if self.talking else np.zeros(samples) for f in self.frequencies]
            data = np.stack(waves, axis=1).astype(np.int16).tobytes()
            # It paces itself: capture_frame waits while enough is queued.
            await self.source.capture_frame(rtc.AudioFrame(data, self.rate, len(self.frequencies), samples))
            n += 1


@define(eq=False)
class Person:
    """A participant."""

    room: rtc.Room
    media: dict[str, Camera | Microphone] = field(factory=dict[str, "Camera | Microphone"])
    tasks: dict[str, asyncio.Task[None]] = field(factory=dict[str, "asyncio.Task[None]"])


def encryption(secret: str | None) -> rtc.E2EEOptions | None:
    """Return the options of a room with that shared key."""
    return None if secret is None else rtc.E2EEOptions(rtc.KeyProviderOptions(shared_key=secret.encode()))


class People:
    """The commands."""

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}

    async def join(self, who: str, url: str, token: str, *, subscribe: bool = False, secret: str | None = None) -> str:
        """Join a room as `who` (a name for the commands that follow) and return the participant's sid.

        With a secret, which is the room's key, all is encrypted from end to end.
        """
        room = rtc.Room()

        def received(packet: rtc.DataPacket) -> None:
            sender = packet.participant
            say(
                event="data",
                to=who,
                sender=None if sender is None else sender.identity,
                kind=None if sender is None else int(sender.kind),
                topic=packet.topic,
                payload=packet.data.decode("utf-8", "replace"),
            )

        def arrived(participant: rtc.RemoteParticipant) -> None:
            say(event="arrived", to=who, who=participant.identity)

        room.on("data_received", received)  # pyright: ignore[reportUnknownMemberType]
        room.on("participant_connected", arrived)  # pyright: ignore[reportUnknownMemberType]
        await room.connect(url, token, rtc.RoomOptions(auto_subscribe=subscribe, encryption=encryption(secret)))
        self._people[who] = Person(room)
        return room.local_participant.sid

    async def camera(
        self,
        who: str,
        *,
        name: str = "camera",
        width: int = 1280,
        height: int = 720,
        fps: float = 15,
        share: float = 0.0,
        source: str = "camera",
        rotation: int = 0,
        simulcast: bool = False,
        codec: str | None = None,
        still: bool = False,
    ) -> str:
        """Publish a camera, by VP8 without simulcast unless told otherwise, and return the track's sid."""
        camera = Camera(width, height, fps, share, rotation=rotation, still=still)
        options = rtc.TrackPublishOptions(source=_SOURCES[source], simulcast=simulcast)
        if codec is not None:
            options.video_codec = rtc.VideoCodec.Value(codec)
        return await self._publish(who, name, camera, camera.open(name), options)

    async def microphone(
        self, who: str, *, name: str = "microphone", frequencies: list[float], rate: int = 48_000, talking: bool = True
    ) -> str:
        """Publish a microphone, a channel for each frequency (Hz), and return the track's sid."""
        microphone = Microphone(rate, frequencies, talking)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=False)
        return await self._publish(who, name, microphone, microphone.open(name), options)

    async def _publish(
        self,
        who: str,
        name: str,
        media: Camera | Microphone,
        track: rtc.LocalTrack,
        options: rtc.TrackPublishOptions,
    ) -> str:
        person = self._people[who]
        publication = await person.room.local_participant.publish_track(track, options)
        person.media[name] = media
        person.tasks[name] = asyncio.create_task(media.run())
        return publication.sid

    async def unpublish(self, who: str, name: str = "camera") -> None:
        """Take a track off the room."""
        person = self._people[who]
        task, media = person.tasks.pop(name), person.media.pop(name)
        await person.room.local_participant.unpublish_track(media.track.sid)
        task.cancel()
        await media.source.aclose()

    def paint(self, who: str, share: float, name: str = "camera") -> None:
        """Paint the patch over `share` of the pictures from now on."""
        camera = self._people[who].media[name]
        assert isinstance(camera, Camera)
        camera.share = share

    def freeze(self, who: str, running: bool, name: str = "camera") -> None:
        """Stop giving frames, or go on; the track stays published and unmuted."""
        camera = self._people[who].media[name]
        assert isinstance(camera, Camera)
        camera.running = running

    def talk(self, who: str, talking: bool, name: str = "microphone") -> None:
        """Give the tones, or silence."""
        microphone = self._people[who].media[name]
        assert isinstance(microphone, Microphone)
        microphone.talking = talking

    def mute(self, who: str, muted: bool, name: str = "camera") -> None:
        """Mute or unmute a track."""
        track = self._people[who].media[name].track
        if muted:
            track.mute()
        else:
            track.unmute()

    def permit(self, who: str, allow: list[str] | None) -> None:
        """Let only these identities subscribe to a participant's tracks; None for all."""
        participant = self._people[who].room.local_participant
        permissions = [
            rtc.ParticipantTrackPermission(participant_identity=identity, allow_all=True) for identity in allow or []
        ]
        participant.set_track_subscription_permissions(
            allow_all_participants=allow is None, participant_permissions=permissions
        )

    async def send(self, who: str, payload: str, topic: str) -> None:
        """Send a data packet to everybody."""
        await self._people[who].room.local_participant.publish_data(payload, topic=topic)

    def seen(self, who: str) -> list[dict[str, Any]]:
        """Return whom `who` sees."""
        return [
            {
                "identity": participant.identity,
                "kind": int(participant.kind),
                "attributes": dict(participant.attributes),
                "tracks": list(participant.track_publications),
            }
            for participant in self._people[who].room.remote_participants.values()
        ]

    async def key_frames(self, who: str) -> int:
        """Return how many key frames the encoders of a participant's tracks have made."""
        stats = await self._people[who].room.get_rtc_stats()
        return sum(
            stat.outbound_rtp.outbound.key_frames_encoded
            for stat in [*stats.publisher_stats, *stats.subscriber_stats]
            if stat.WhichOneof("stats") == "outbound_rtp"
        )

    async def video_sent(self, who: str) -> int:
        """Return the bytes of video that a participant's tracks have sent."""
        stats = await self._people[who].room.get_rtc_stats()
        return sum(
            stat.outbound_rtp.sent.bytes_sent
            for stat in [*stats.publisher_stats, *stats.subscriber_stats]
            if stat.WhichOneof("stats") == "outbound_rtp" and stat.outbound_rtp.stream.kind == "video"
        )

    async def decoded(self, who: str) -> int:
        """Return how many frames of others a participant has decoded."""
        stats = await self._people[who].room.get_rtc_stats()
        return sum(
            stat.inbound_rtp.inbound.frames_decoded
            for stat in [*stats.publisher_stats, *stats.subscriber_stats]
            if stat.WhichOneof("stats") == "inbound_rtp"
        )

    async def leave(self, who: str) -> None:
        """Leave the room."""
        person = self._people.pop(who)
        for task in person.tasks.values():
            task.cancel()
        await person.room.disconnect()
        for media in person.media.values():
            await media.source.aclose()

    async def clear(self) -> None:
        """Have everybody leave."""
        await asyncio.gather(*(self.leave(who) for who in list(self._people)))


async def _main() -> None:
    people = People()

    def command(name: str) -> Callable[..., Any]:
        return getattr(people, name)  # type: ignore[no-any-return]

    say(event="ready")
    await serve(command)
    await people.clear()


if __name__ == "__main__":
    claim_stdout()
    asyncio.run(_main())
