"""A microphone as a source of PCM: streams of the real SDK on a local track, which need no server."""

from __future__ import annotations

import asyncio

from livekit import rtc
from livekit.plugins.dataspike._audio import RoomAudio

from ds_actors.asyncio import LoopBridge


def test_a_microphone_comes_in_mono_at_16_khz_in_blocks_of_100_ms() -> None:
    """Whatever it sends, here stereo at 48 kHz; after a close, reading opens another stream."""
    blocks: list[bytes] = []

    async def main() -> None:
        source = rtc.AudioSource(48_000, 2)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        frame = rtc.AudioFrame.create(48_000, 2, 480)

        async def give() -> None:
            while True:
                await source.capture_frame(frame)

        giving = asyncio.ensure_future(give())
        audio = RoomAudio(LoopBridge(), track)
        async with asyncio.timeout(30):
            for _ in range(2):
                blocks.extend([await audio._next(), await audio._next()])
                assert audio._stream is not None
                await audio.close()
                assert audio._stream is None
        giving.cancel()
        await asyncio.gather(giving, return_exceptions=True)
        await source.aclose()

    asyncio.run(main())
    assert [len(block) for block in blocks] == [16_000 // 10 * 2] * 4
