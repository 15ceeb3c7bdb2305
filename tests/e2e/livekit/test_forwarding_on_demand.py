"""Forwarding on demand in real rooms: what it saves, and that no track stays paused or unwatched."""

from __future__ import annotations

import time

import pytest
from livekit_harness.process import until
from livekit_harness.room import AGENT, Room

CAMERA = {"width": 640, "height": 360}
NORMAL = {"normal_fps": 0.4, "burst_fps": 5.0}
ON_DEMAND = {"forwarding": "on_demand"}
WAIT_FOR_FRAMES = """
async def gaps(identity, count, seconds):
    (publication,) = room.remote_participants[identity].track_publications.values()
    stream = rtc.VideoStream.from_track(track=publication.track, capacity=1)
    came = []
    try:
        async with asyncio.timeout(seconds):
            async for event in stream:
                if event.frame.width >= 64:
                    came.append(asyncio.get_running_loop().time())
                if len(came) > count:
                    break
    except TimeoutError:
        pass
    await stream.aclose()
    return [later - earlier for earlier, later in zip(came, came[1:])]
"""
RECEIVED_WHILE_PAUSED = """
async def received():
    stats = await room.get_rtc_stats()
    return sum(
        stat.inbound_rtp.inbound.frames_received
        for stat in [*stats.subscriber_stats, *stats.publisher_stats]
        if stat.WhichOneof("stats") == "inbound_rtp"
    )

async def whole_pauses(wanted, seconds):
    found = []
    clock = asyncio.get_running_loop().time
    end = clock() + seconds

    async def stays_paused(seconds):
        for _ in range(int(seconds / 0.02)):
            if not detector._session.forwarding.paused:
                return False
            await asyncio.sleep(0.02)
        return True

    while len(found) < wanted and clock() < end:
        if await stays_paused(0.5):  # what was on its way arrives
            before = await received()
            if await stays_paused(1.0):
                found.append(await received() - before)
        await asyncio.sleep(0.02)
    return found
"""


def paused(room: Room) -> set[str]:
    return set(room.evaluate("result = sorted(detector._session.forwarding.paused)"))


def gaps(room: Room, who: str, *, count: int = 6, seconds: float = 10.0) -> list[float]:
    """Return the seconds between the next frames of the participant's track: `count`, or those that arrive in time."""
    return list(map(float, room.evaluate(f"{WAIT_FOR_FRAMES}\nresult = await gaps({who!r}, {count}, {seconds})")))


def join(room: Room, *, auto_subscribe: bool = False) -> None:
    token = room.token(AGENT, kind="agent")
    room.agent.call("join", url=room.server.url, token=token, auto_subscribe=auto_subscribe)


def start(room: Room, **options: object) -> None:
    room.agent.call("start", service=room.service.url, video=NORMAL, options=options)


def watch(room: Room, **options: object) -> str:
    """Have the detector watch alice's camera, and return its track."""
    room.join("alice")
    track = room.camera("alice", **CAMERA)
    join(room)
    start(room, **options)
    return track


def coverage(room: Room, track: str) -> str:
    return str({found["track"]: found["coverage"] for found in room.agent.call("status")["tracks"]}.get(track))


def restarts(room: Room, track: str) -> int:
    """Return how often the track's actor was restarted."""
    code = f"""
tree = detector._session.monitor.tree()
result = [a.restarts for n in tree.children if n.name == "tracks" for a in n.children if a.name == {track!r}]
"""
    return int(sum(room.evaluate(code)))


def test_on_demand_receives_no_frame_in_a_pause_and_samples_as_often(room: Room) -> None:
    """The same camera in the same run, first always, then on demand; it stays checked, and each sample is fresh."""
    room.join("alice")
    track = room.camera("alice", **CAMERA)
    join(room)
    took: dict[str, float] = {}
    for forwarding in ("always", "on_demand"):
        start(room, forwarding=forwarding)
        before = len(room.service.samples)
        until(lambda before=before: len(room.service.samples) > before)  # type: ignore[misc]
        if forwarding == "on_demand":
            in_pauses = room.evaluate(f"{RECEIVED_WHILE_PAUSED}\nresult = await whole_pauses(2, 20)")
            assert len(in_pauses) == 2
            assert max(in_pauses) <= 3, "fifteen a second when forwarded"
        begun, before = time.monotonic(), len(room.service.samples)
        until(lambda before=before: len(room.service.samples) >= before + 3)  # type: ignore[misc]
        took[forwarding] = time.monotonic() - begun
        assert coverage(room, track) == "checked"
        room.agent.call("aclose")
    assert abs(took["on_demand"] - took["always"]) < 2.5
    assert max(sample.age for sample in room.service.samples) < 2


def test_a_track_is_paused_between_samples_and_forwarded_after_the_close(room: Room) -> None:
    """A stream of the host gets nothing between two samples, and every frame once the detector is closed."""
    track = watch(room, **ON_DEMAND)
    until(lambda: room.service.samples)
    until(lambda: paused(room) == {track})
    room.agent.call("aclose")
    assert paused(room) == set()
    assert len(gaps(room, "alice")) == 6


def test_auto_pauses_what_only_the_detector_subscribed_to(room: Room) -> None:
    """In a room where the agent subscribes to nothing by itself, and there is no session."""
    track = watch(room)
    until(lambda: room.service.samples)
    until(lambda: paused(room) == {track})


@pytest.mark.slow
def test_auto_pauses_again_after_a_full_reconnect(room: Room) -> None:
    """The publications are new objects, which the detector asks for once more, and so is what comes later."""
    track = watch(room)
    until(lambda: paused(room) == {track})
    room.agent.call("simulate", scenario="SIMULATE_FULL_RECONNECT")
    until(lambda: room.agent.told("reconnected"))
    before = len(room.service.samples)
    until(lambda: len(room.service.samples) >= before + 2)
    until(lambda: paused(room) == {track})
    later = room.camera("alice", name="second", source="unknown", **CAMERA)
    until(lambda: paused(room) == {track, later})


@pytest.mark.parametrize("subscribes", ["to everything", "to one by hand"])
def test_auto_pauses_nothing_where_the_host_subscribes(room: Room, subscribes: str) -> None:
    """Its streams must not starve: in five seconds frames arrive throughout, where two pauses would show."""
    room.join("alice")
    track = room.camera("alice", **CAMERA)
    join(room, auto_subscribe=subscribes == "to everything")
    if subscribes == "to one by hand":
        room.evaluate(f"room.remote_participants['alice'].track_publications[{track!r}].set_subscribed(True)")
    start(room)
    until(lambda: room.service.samples)

    def throughout() -> bool:
        between = gaps(room, "alice", count=100, seconds=5.0)
        return len(between) > 5 and max(between) < 1.5  # as long as a pause

    until(throughout, 40)  # a busy machine stalls, too, but not all the time
    assert paused(room) == set()


def test_a_suspicion_resumes_a_paused_track_and_the_burst_is_not_paused(room: Room) -> None:
    """Samples come at burst rate; when it is over, the track is paused again."""
    track = watch(room, **ON_DEMAND)
    until(lambda: room.service.samples)
    until(lambda: paused(room) == {track})
    room.paint("alice", 0.2)
    until(lambda: len(room.service.samples) > 12)
    assert paused(room) == set()
    room.paint("alice", 0.0)
    until(lambda: paused(room) == {track})


def test_a_muted_track_is_told_apart_and_sampled_at_once_when_unmuted(room: Room) -> None:
    """Muted while it was paused."""
    track = watch(room, **ON_DEMAND)
    until(lambda: room.service.samples)
    until(lambda: paused(room) == {track})
    room.people.call("mute", who="alice", muted=True)
    until(lambda: coverage(room, track) == "muted")
    before = len(room.service.samples)
    room.people.call("mute", who="alice", muted=False)
    until(lambda: len(room.service.samples) > before)
    until(lambda: coverage(room, track) == "checked")


@pytest.mark.slow
def test_a_dead_publisher_is_seen_to_give_no_frames(room: Room) -> None:
    """As if its track were always forwarded; back again, it is checked again and paused."""
    track = watch(room, **ON_DEMAND)
    until(lambda: paused(room) == {track})
    room.people.call("freeze", who="alice", running=False)
    until(lambda: coverage(room, track) == "no_frames", 30)
    assert paused(room) == set()
    room.people.call("freeze", who="alice", running=True)
    until(lambda: coverage(room, track) == "checked")
    until(lambda: paused(room) == {track})


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario",
    ["SIMULATE_SIGNAL_RECONNECT", "SIMULATE_FULL_RECONNECT", "SIMULATE_MIGRATION", "SIMULATE_NODE_FAILURE"],
)
@pytest.mark.parametrize("was_paused", [True, False])
def test_after_a_reconnect_the_track_is_sampled_and_paused_again(room: Room, scenario: str, was_paused: bool) -> None:
    """Whether it broke in a pause or while a frame was awaited; and a closed detector leaves it forwarded."""
    track = watch(room, **ON_DEMAND)
    until(lambda: room.service.samples)
    until(lambda: paused(room) == {track})
    if not was_paused:
        until(lambda: paused(room) == set(), every=0.005)
    room.agent.call("simulate", scenario=scenario)
    until(lambda: room.agent.told("reconnected"))
    before = len(room.service.samples)
    until(lambda: len(room.service.samples) >= before + 3, 20)
    until(lambda: paused(room) == {track})
    assert coverage(room, track) == "checked"
    room.agent.call("aclose")
    assert len(gaps(room, "alice")) == 6


@pytest.mark.slow
def test_a_republished_track_and_a_restarted_actor_are_sampled_and_paused_again(room: Room) -> None:
    """The new track is another one, and a crash of a track's actor leaves its source as it is."""
    track = watch(room, **ON_DEMAND)
    until(lambda: paused(room) == {track})
    room.people.call("unpublish", who="alice")
    track = room.camera("alice", **CAMERA)
    until(lambda: room.service.of("alice", track))
    until(lambda: paused(room) == {track})
    crash = f"""
session = detector._session
session.bridge.tell(session.monitor._hub.refs.track({track!r}).tell, "a message that no actor knows")
"""
    room.evaluate(crash)
    until(lambda: restarts(room, track) == 1)
    before = len(room.service.samples)
    until(lambda: len(room.service.samples) >= before + 2)
    until(lambda: paused(room) == {track})


@pytest.mark.slow
def test_a_viewer_of_the_same_track_misses_no_frame(room: Room) -> None:
    """Pauses are the detector's own: the publisher encodes on, and the server sends on to everybody else."""
    room.join("alice")
    track = room.camera("alice", **CAMERA)
    room.join("viewer", subscribe=True)
    join(room)
    until(lambda: room.people.call("decoded", who="viewer") > 30)
    rates: list[float] = []
    for detecting in (False, True):
        if detecting:
            start(room, **ON_DEMAND)
            until(lambda: paused(room) == {track})
        before, begun = room.people.call("decoded", who="viewer"), time.monotonic()
        time.sleep(10)
        rates.append((room.people.call("decoded", who="viewer") - before) / (time.monotonic() - begun))
    assert rates[1] > 0.9 * rates[0] > 5


@pytest.mark.slow
def test_a_monitor_that_fails_leaves_its_tracks_forwarded(room: Room) -> None:
    """It watches no more, so nothing is paused any more."""
    track = watch(room, **ON_DEMAND)
    until(lambda: paused(room) == {track})
    room.evaluate("""
session = detector._session
async def fail():
    raise RuntimeError("a test")
session.bridge.tell(session.reconciler.nursery.start_soon, fail)
""")
    until(lambda: room.agent.call("status")["state"] == "failed")
    until(lambda: paused(room) == set())
    assert len(gaps(room, "alice")) == 6


def test_withdrawn_consent_leaves_the_track_forwarded(room: Room) -> None:
    """It is nothing to the detector any more, but others may look at it."""
    track = watch(room, **ON_DEMAND)
    until(lambda: paused(room) == {track})
    code = """
session = detector._session
session._watcher._rules.consent = lambda participant: False
session._watcher._attributes_changed({}, room.remote_participants["alice"])
"""
    room.evaluate(code)
    until(lambda: coverage(room, track) == "not_monitored")
    until(lambda: paused(room) == set())
    assert len(gaps(room, "alice")) == 6
