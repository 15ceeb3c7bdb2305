"""What 1.2.17 gets wrong, a test each: all fail there (`make compare`), all must pass here.

Each runs in a real room with real tracks of 640x360; the verdicts are set by identity.
"""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest
from livekit_harness.process import until
from livekit_harness.room import AGENT, Room

from ds_actors.detection import Level
from ds_actors.sandbox import Sandbox

SMALL = {"width": 640, "height": 360}
RATES = {"normal_fps": 0.5, "burst_fps": 5.0}


def enter(room: Room, *who: str, level: Level | None = Level.CLEAR, **options: object) -> dict[str, str]:
    """Have people join with cameras, a viewer, and the agent with its detector; return the tracks by identity."""
    for identity in who:
        room.service.verdicts[identity] = level
    room.join(*who, "viewer")
    tracks = {identity: room.camera(identity, **SMALL) for identity in who}
    room.watch(**{"video": RATES, **options})
    until(lambda: all(room.service.of(identity) for identity in who))
    return tracks


def go_away(sandbox: Sandbox) -> None:
    """Refuse connections, and cut the one that is open."""
    sandbox.faults.refuse_connections()
    sandbox.drop_now()


def bursts(room: Room, who: str, track: str | None = None) -> bool:
    """Wait for ten more samples within fifteen seconds: at the normal rate there would be eight at most."""
    before = len(room.service.of(who, track))
    return bool(until(lambda: len(room.service.of(who, track)) >= before + 10, 15))


def test_an_alerted_track_is_sampled_at_burst_rate(room: Room) -> None:
    """normal 0.5, burst 5: at ALERT several times the normal rate."""
    enter(room, "alice", level=Level.ALERT)
    assert bursts(room, "alice")


def test_suspicious_is_published(room: Room) -> None:
    """A SUSPICIOUS verdict reaches the room."""
    enter(room, "alice", level=Level.SUSPICIOUS)
    until(lambda: room.packets("viewer", "suspicious", participant_id="alice"))


def test_every_alert_is_published(room: Room) -> None:
    """The second and third ALERT too, as the documentation's "each result event" says."""
    enter(room, "alice", level=Level.ALERT, video={"normal_fps": 5.0, "burst_fps": 5.0})
    until(lambda: len(room.packets("viewer", "alert")) >= 3)


def test_every_clear_is_published(room: Room) -> None:
    """Also without an ALERT before it."""
    enter(room, "alice")
    until(lambda: room.packets("viewer", "clear"))


def test_an_error_is_told_to_the_callback(room: Room) -> None:
    """A result that the service calls an error is a result, too."""
    enter(room, "alice", level=Level.ERROR, callback="record")
    until(lambda: room.heard("alice", "error"))


@pytest.mark.slow
def test_nothing_stale_is_sent_after_an_outage(room: Room) -> None:
    """5 s without the service: no frame that arrives afterwards is older than 2 s."""
    enter(room, "alice", "bob", level=Level.SUSPICIOUS)
    room.service.ask(go_away)
    time.sleep(5)
    before = len(room.service.samples)
    room.service.ask(lambda sandbox: sandbox.faults.clear())
    until(lambda: len(room.service.samples) >= before + 4, 20)
    assert max(sample.age for sample in room.service.samples[before:]) < 2.5


@pytest.mark.slow
def test_everybody_comes_in_turn_after_an_outage(room: Room) -> None:
    """When the service is back, the first samples are one of each, and fresh: no queue of the quickest."""
    people = ["alice", "bob", "carol", "dave"]
    enter(room, *people, video={"normal_fps": 2.0, "burst_fps": 2.0})
    room.service.ask(go_away)
    time.sleep(4)
    before = len(room.service.samples)
    room.service.ask(lambda sandbox: sandbox.faults.clear())
    until(lambda: len(room.service.samples) >= before + 4, 20)
    first = room.service.samples[before : before + 4]
    assert sorted(sample.participant for sample in first) == people
    assert max(sample.age for sample in first) < 2.5


@pytest.mark.slow
def test_a_refused_key_is_not_hammered(room: Room) -> None:
    """401 once; no further attempt within 8 s."""
    room.service.ask(lambda sandbox: sandbox.faults.refuse_upgrades(401))
    room.join("alice")
    room.camera("alice", **SMALL)
    room.watch(video=RATES)
    until(room.service.attempts)
    time.sleep(8)
    assert room.service.attempts() == 1


@pytest.mark.slow
def test_a_silent_service_is_noticed(room: Room) -> None:
    """It reads and answers nothing, pings neither, closes nothing: within 25 s the connection is replaced."""
    enter(room, "alice")
    room.service.ask(lambda sandbox: sandbox.faults.silence())
    until(lambda: room.service.attempts() >= 2, 25)


def test_a_raising_callback_disturbs_nothing(room: Room) -> None:
    """The connection stays, and the next results reach the callback."""
    enter(room, "alice", level=Level.ALERT, callback="raise")
    until(lambda: len(room.heard("alice")) >= 3, 20)
    assert room.service.attempts() == 1


def test_a_slow_callback_delays_nobody_else(room: Room) -> None:
    """alice's takes 5 s; bob's does not wait for it."""
    enter(room, "alice", level=Level.ALERT, callback="slow")
    until(lambda: room.heard("alice"))
    room.service.verdicts["bob"] = Level.ALERT
    room.join("bob")
    room.camera("bob", **SMALL)
    (heard, *_) = until(lambda: room.heard("bob", "alert"), 12)
    assert heard["at"] - room.service.of("bob")[0].at < 2.5


@pytest.mark.slow
def test_closing_leaves_nothing(room: Room) -> None:
    """After `aclose()` no task, stream or thread of the detector is left."""
    before = _joined_without_a_detector(room)
    room.agent.call("start", service=room.service.url, video=RATES)
    until(lambda: room.service.of("alice"))
    room.agent.call("aclose")
    # Trio keeps an idle worker thread for ten seconds.
    until(lambda: not _living(room) - before, 15)


@pytest.mark.slow
def test_leaving_the_room_ends_everything(room: Room) -> None:
    """Without `aclose()` too: after the final disconnect no task, stream or thread of the detector is left."""
    before = _joined_without_a_detector(room)
    room.agent.call("start", service=room.service.url, video=RATES)
    until(lambda: room.service.of("alice"))
    room.agent.call("leave")
    until(lambda: not _living(room) - before, 15)


def _joined_without_a_detector(room: Room) -> Counter[str]:
    room.join("alice")
    room.camera("alice", **SMALL)
    room.agent.call("join", url=room.server.url, token=room.token(AGENT, kind="agent"))
    room.subscribed("alice")
    return _living(room)


def _living(room: Room) -> Counter[str]:
    left = room.agent.call("left")
    # A thread that Python did not start is the SDK's.
    threads = [name for name in left["threads"] if not name.startswith("Dummy-")]
    return Counter([*left["tasks"], *threads, *["stream"] * left["streams"]])


def test_camera_off_and_on_keeps_the_alert(room: Room) -> None:
    """The next track begins at burst rate, and the ALERT is closed by its CLEAR."""
    enter(room, "alice", level=Level.ALERT)
    until(lambda: room.packets("viewer", "alert"))
    room.people.call("unpublish", who="alice")
    time.sleep(0.3)
    room.service.verdicts["alice"] = None
    track = room.camera("alice", **SMALL)
    until(lambda: room.service.of("alice", track))
    assert bursts(room, "alice", track)
    room.service.verdicts["alice"] = Level.CLEAR
    until(lambda: room.packets("viewer", "clear", track_id=track))


def test_a_muted_track_that_goes_leaves_no_stream(room: Room) -> None:
    """A camera that gives no frames any more is taken off the room: no stream and no consumer of it is left."""
    enter(room, "alice")
    room.people.call("mute", who="alice", muted=True)
    time.sleep(0.5)
    room.people.call("unpublish", who="alice")
    until(lambda: room.agent.call("left")["streams"] == 0)


@pytest.mark.slow
def test_only_frames_that_are_due_cross_into_python(room: Room) -> None:
    """15 fps published, 0.5 sampled: in 4 s a handful of frames is taken over, not sixty."""
    enter(room, "alice")
    room.evaluate(
        "frames = agent.frames = []\n"
        "make = rtc.VideoFrame._from_owned_info\n"
        "rtc.VideoFrame._from_owned_info = staticmethod(lambda info: (frames.append(1), make(info))[1])"
    )
    time.sleep(4)
    assert 0 < room.evaluate("result = len(agent.frames)") <= 8


def test_sound_is_sampled_without_a_vad_stream(room: Room) -> None:
    """With `AudioParams(interval=3)` and nothing else: 96,000 bytes of a speaking microphone."""
    room.service.keep_data = True
    room.join("alice")
    room.people.call("microphone", who="alice", frequencies=[440.0])
    room.watch(audio={"interval": 3})
    (chunk, *_) = until(lambda: room.service.of("alice", kind="pcm"), 30)
    assert len(chunk.sample.data) == 96_000


@pytest.mark.slow
def test_speech_that_ends_early_is_padded_and_sent(room: Room) -> None:
    """1.5 s of tone, then silence: one chunk of 3 s whose end is zeros."""
    room.service.keep_data = True
    room.join("alice")
    room.people.call("microphone", who="alice", frequencies=[440.0], talking=False)
    room.watch(audio={"interval": 3})
    room.subscribed("alice")
    time.sleep(1)
    room.people.call("talk", who="alice", talking=True)
    time.sleep(1.5)
    room.people.call("talk", who="alice", talking=False)
    (chunk, *_) = until(lambda: room.service.of("alice", kind="pcm"), 30)
    assert len(chunk.sample.data) == 96_000
    samples = np.frombuffer(chunk.sample.data, np.int16)
    assert np.abs(samples[:8_000]).mean() > 1_000
    assert not samples[-4_000:].any()


def test_stereo_is_mixed_to_one_channel(room: Room) -> None:
    """440 Hz left and 1,000 Hz right are 440 and 1,000 Hz in the mono chunk; interleaved they would be halved."""
    room.service.keep_data = True
    room.join("alice")
    room.people.call("microphone", who="alice", frequencies=[440.0, 1_000.0])
    room.watch(audio={"interval": 3}, vad=True)
    (chunk, *_) = until(lambda: room.service.of("alice", kind="pcm"), 30)
    spectrum = np.abs(np.fft.rfft(np.frombuffer(chunk.sample.data, np.int16).astype(float)))
    loudest = np.argsort(spectrum)[::-1][:200] * 16_000 / 48_000
    found = {round(frequency, -1) for frequency in loudest[:20]}
    assert any(abs(frequency - 440) <= 20 for frequency in found), found
    assert max(loudest[spectrum[(loudest * 3).astype(int)] > spectrum.max() / 10]) <= 1_100


@pytest.mark.slow
def test_sound_is_off_without_audio_params(room: Room) -> None:
    """As 1.2.17's documentation says of None: no AudioStream, and no sound sent, VAD stream or not."""
    room.join("alice")
    room.people.call("microphone", who="alice", frequencies=[440.0])
    room.watch(vad=True)
    room.subscribed("alice")
    time.sleep(4)
    streams = "import gc\nresult = sum(type(found) is rtc.AudioStream for found in gc.get_objects())"
    assert room.evaluate(streams) == 0
    assert not room.service.of("alice", kind="pcm")


def test_the_star_import_works(room: Room) -> None:
    """`from livekit.plugins.dataspike import *` brings DataspikeDetector."""
    code = "names = {}\nexec('from livekit.plugins.dataspike import *', names)\nresult = 'DataspikeDetector' in names"
    assert room.evaluate(code)


def test_the_documented_parameters_are_accepted(room: Room) -> None:
    """normal_fps, burst_fps and quality by themselves, as the public documentation has them."""
    code = "dataspike.DataspikeDetector(api_key='k', normal_fps=0.2, burst_fps=1.0, quality=75)\nresult = True"
    assert room.evaluate(code)


def test_there_is_a_status(room: Room) -> None:
    """`detector.status()` tells the state, at any time."""
    enter(room, "alice")
    assert room.agent.call("status")["state"] == "running"


def test_the_key_is_in_no_plain_attribute(room: Room) -> None:
    """Neither the detector's repr nor its attributes' show it."""
    code = (
        "one = dataspike.DataspikeDetector(api_key='k-e-y-4711')\n"
        "slots = {n for c in type(one).__mro__ for n in getattr(c, '__slots__', ())}\n"
        "names = set(getattr(one, '__dict__', {})) | slots\n"
        "shown = {n: repr(getattr(one, n, None)) for n in names} | {'': repr(one)}\n"
        "result = [n for n, text in shown.items() if 'k-e-y-4711' in text]"
    )
    assert room.evaluate(code) == []


def test_the_documented_callback_prints(room: Room) -> None:
    """`event.level.upper()`, `event.participant_id` and `event.dict()`."""
    enter(room, "alice", level=Level.ALERT, callback="snippet")
    (printed, *_) = until(lambda: room.agent.told("printed"))
    assert printed.get("text") == "[ALERT] ALERT from alice", printed


def test_a_result_of_a_track_that_has_just_ended_counts(room: Room) -> None:
    """Turning the camera off does not eat the ALERT that is under way."""
    room.service.ask(lambda sandbox: sandbox.faults.slow(1.0))
    (track,) = enter(room, "alice", level=Level.ALERT).values()
    room.people.call("unpublish", who="alice")
    until(lambda: room.packets("viewer", "alert", track_id=track))
