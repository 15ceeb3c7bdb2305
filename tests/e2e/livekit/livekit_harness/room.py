"""A room of a test: who is in it, the agent that watches it, the service that judges."""

from __future__ import annotations

import json
from typing import Any, Self

from livekit_harness.process import Process, until
from livekit_harness.server import Server
from livekit_harness.service import Service
from livekit_harness.tokens import room_token

AGENT = "agent"
TOPIC = "deepfake_alert"


class Room:
    """Commands to the people and the agent, and what they saw."""

    def __init__(self, server: Server, name: str, people: Process, service: Service, agent: Process) -> None:
        self.server, self.name, self.people, self.service, self.agent = server, name, people, service, agent
        self._seen = len(people.events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.agent.kill()  # what ends well is a test's own concern; here it would only take time
        self.agent.stop()
        self.people.call("clear")

    def token(self, identity: str, **grants: Any) -> str:
        """Return a token for this room."""
        return room_token(self.server, self.name, identity, **grants)

    def join(self, *who: str, **options: Any) -> None:
        """Have participants join."""
        pending = [
            self.people.begin("join", who=identity, url=self.server.url, token=self.token(identity), **options)
            for identity in who
        ]
        for number in pending:
            self.people.finish(number)

    def camera(self, who: str, **options: Any) -> str:
        """Publish a camera and return the track's sid."""
        return str(self.people.call("camera", who=who, **options))

    def paint(self, who: str, share: float, name: str = "camera") -> None:
        """Paint the patch over `share` of a participant's pictures: 0.2 is an alert, 0.025 suspicious, 0 clear."""
        self.people.call("paint", who=who, share=share, name=name)

    def seen_by(self, who: str) -> dict[str, dict[str, Any]]:
        """Return whom `who` sees, by identity."""
        return {participant["identity"]: participant for participant in self.people.call("seen", who=who)}

    def watch(self, **options: Any) -> None:
        """Have the agent join, with the room's `secret` if it has one, and start a detector by `start`'s options."""
        secret = options.pop("secret", None)
        self.agent.call("join", url=self.server.url, token=self.token(AGENT, kind="agent"), secret=secret)
        self.agent.call("start", service=self.service.url, **options)

    def packets(self, to: str, level: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """Return the alerts that `to` has received so far: payloads with `at` and `sender`."""
        found: list[dict[str, Any]] = []
        for event in self.people.events[self._seen :]:
            if event["event"] == "data" and event["to"] == to and event["topic"] == TOPIC:
                payload = json.loads(event["payload"])
                if level in (None, payload["level"]) and fields.items() <= payload.items():
                    found.append({**payload, "at": event["at"], "sender": event["sender"]})
        return found

    def heard(self, participant: str, level: str | None = None, state: str = "begun") -> list[dict[str, Any]]:
        """Return the callback's events so far."""
        fields = {"participant": participant, "state": state} | ({} if level is None else {"level": level})
        return self.agent.told("callback", **fields)

    def evaluate(self, code: str) -> Any:
        """Run code in the agent's process; see its command `evaluate`."""
        return self.agent.call("evaluate", code=code)

    def subscribed(self, participant: str, track: str | None = None, seconds: float = 10) -> float:
        """Return when the agent's SDK told that it has a track of that participant."""
        fields = {"participant": participant} if track is None else {"participant": participant, "track": track}
        return float(until(lambda: self.agent.told("subscribed", **fields), seconds)[0]["at"])
