"""Which publications the detector asks for, and what shows that the host subscribes by itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from livekit import rtc
from livekit.plugins.dataspike._subscriptions import LEAVING, PATIENCE, REMEMBERED, Subscriptions


def publication(sid: str = "TR", kind: int = rtc.TrackKind.KIND_VIDEO) -> Any:
    found = SimpleNamespace(sid=sid, kind=kind, subscriptions=[])
    found.set_subscribed = found.subscriptions.append
    return found


def test_a_publication_is_asked_for_once_and_after_the_patience() -> None:
    """A host that subscribes to everything is faster."""
    subscriptions, camera = Subscriptions(enabled=True), publication()
    assert subscriptions.ask(camera, 10.0, PATIENCE) == PATIENCE
    assert camera.subscriptions == []
    assert subscriptions.ask(camera, 10.0 + PATIENCE, PATIENCE) is None
    assert subscriptions.ask(camera, 12.0 + PATIENCE, PATIENCE) is None
    assert camera.subscriptions == [True]
    subscriptions.arrived(camera)
    assert subscriptions.asked_for(camera)
    assert not subscriptions.host_subscribes


def test_a_video_track_that_arrives_unasked_shows_that_the_host_subscribes() -> None:
    """A microphone shows nothing: an agent that takes audio only subscribes to it."""
    subscriptions = Subscriptions(enabled=True)
    assert not subscriptions.arrived(publication(kind=rtc.TrackKind.KIND_AUDIO))
    assert [subscriptions.arrived(publication(sid)) for sid in ("TR_1", "TR_2")] == [True, False]
    assert subscriptions.host_subscribes


def test_what_the_host_unsubscribed_is_not_asked_for_and_is_the_hosts_when_it_comes_back() -> None:
    """The host's decisions about a track stay the host's."""
    subscriptions, camera = Subscriptions(enabled=True), publication()
    subscriptions.ask(camera, 0.0, 0.0)
    subscriptions.unsubscribed("TR", 1.0)
    assert subscriptions.ask(camera, 2.0, 0.0) is None
    assert camera.subscriptions == [True]
    subscriptions.subscribed("TR")
    subscriptions.arrived(camera)
    assert not subscriptions.asked_for(camera)


def test_a_new_publication_of_the_same_sid_is_asked_for_again() -> None:
    """A full reconnect loses subscriptions, and its publications are new objects."""
    subscriptions, before, after = Subscriptions(enabled=True), publication(), publication()
    subscriptions.ask(before, 0.0, 0.0)
    subscriptions.ask(after, 1.0, 0.0)
    assert after.subscriptions == [True]
    assert not subscriptions.asked_for(before)


def test_patience_begins_anew_for_each_time_without_a_track() -> None:
    """It arrived meanwhile, it was gone, or its subscription ended."""
    subscriptions, camera = Subscriptions(enabled=True), publication()
    subscriptions.ask(camera, 0.0, PATIENCE)
    subscriptions.arrived(camera)
    assert subscriptions.ask(camera, 10.0, PATIENCE) == PATIENCE
    subscriptions.gone("TR", 10.5)
    assert subscriptions.ask(camera, 20.0, PATIENCE) == PATIENCE
    assert subscriptions.ask(camera, 20.0 + PATIENCE, PATIENCE) is None
    subscriptions.unsubscribed("TR", 30.0)
    subscriptions.subscribed("TR")
    assert subscriptions.ask(camera, 40.0, PATIENCE) == PATIENCE
    assert camera.subscriptions == [True]


def test_a_publication_that_is_gone_is_not_one_that_was_asked_for() -> None:
    """Nothing is known of one that never came."""
    subscriptions, camera = Subscriptions(enabled=True), publication()
    subscriptions.ask(camera, 0.0, 0.0)
    subscriptions.gone("TR", 1.0)
    assert not subscriptions.asked_for(camera)
    subscriptions.gone("TR", 2.0)
    assert subscriptions.wanted(camera)


def test_an_end_shortly_before_the_publication_is_gone_was_no_decision_of_the_host() -> None:
    """The SDK unsubscribes a track that ends; one that the host ended earlier stays unwanted."""
    subscriptions = Subscriptions(enabled=True)
    for sid, ended in (("TR_ended", 100.1), ("TR_unwanted", 100.0)):
        subscriptions.unsubscribed(sid, ended)
        subscriptions.gone(sid, 100.0 + LEAVING)
    assert subscriptions.wanted(publication("TR_ended"))
    assert not subscriptions.wanted(publication("TR_unwanted"))
    subscriptions.subscribed("TR_unwanted")
    assert subscriptions.wanted(publication("TR_unwanted"))


def test_the_last_ten_thousand_ends_are_remembered() -> None:
    """Those before them are forgotten first."""
    subscriptions = Subscriptions(enabled=True)
    for number in range(REMEMBERED + 1):
        subscriptions.unsubscribed(f"TR_{number}", 0.0)
    assert subscriptions.wanted(publication("TR_0"))
    assert not subscriptions.wanted(publication("TR_1"))
