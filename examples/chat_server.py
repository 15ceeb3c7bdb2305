"""A chat server over TCP whose rooms may crash without disconnecting any member.

    python examples/chat_server.py [PORT]     # then, in other terminals: nc localhost 8023

The first line is the member's name. `/join ROOM` enters a room, `/who` lists its members, `/quit` leaves, and `/crash`
makes the room fail, like a bug; any other line is sent to the room.

The tree: `rooms` has one actor per room, `members` one per connection. A room's list of members outlives its crash, so
it belongs to the lobby, which passes it to each incarnation. A slow member loses the oldest lines.
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from functools import partial

import trio
from attrs import define, field, frozen

from ds_actors import (
    Actor,
    ActorError,
    ActorRef,
    Answer,
    DropOldest,
    Exit,
    ExponentialBackoff,
    Request,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
)

LONGEST_LINE = 1_000  # bytes
LINES_A_SLOW_MEMBER_MAY_WAIT_FOR = 100
MOST_ROOMS, MOST_MEMBERS = 100, 1_000


@frozen
class Line:
    """One line for a member, without its newline."""

    text: str


@frozen
class Hangup:
    """The other side has closed the connection."""


@frozen
class Join:
    """A member enters."""

    name: str
    member: ActorRef[Line | Hangup]


@frozen
class Leave:
    """A member leaves, or its connection has ended."""

    name: str


@frozen
class Say:
    """A member's message to all other members."""

    name: str
    text: str


@frozen
class Who(Request[list[str]]):
    """Asks for the names of the members."""


Members = dict[str, ActorRef[Line | Hangup]]
RoomMessage = Join | Leave | Say | Who


@define
class Room(Actor[RoomMessage]):
    """Passes messages on; the lobby keeps its members."""

    members: Members

    async def receive(self, message: RoomMessage, /) -> Answer | None:
        match message:
            case Join(name, member):
                self.members[name] = member
                self.context.watch(member, Leave(name))
                self._tell_all(f"* {name} is here", but=None)
            case Leave(name):
                if self.members.pop(name, None) is not None:
                    self._tell_all(f"* {name} has left", but=None)
            case Say(name, "/crash"):
                raise RuntimeError(f"{name} found a bug")
            case Say(name, text):
                self._tell_all(f"{name}: {text}", but=name)
            case Who():
                return message.answer(sorted(self.members))
        return None

    def _tell_all(self, text: str, *, but: str | None) -> None:
        for name, member in self.members.items():
            if name != but:
                member.tell(Line(text))  # never waits, so a slow member does not delay others


@define
class Lobby:
    """Opens rooms, and keeps the state that must outlive them."""

    rooms: SupervisorRef
    _members: dict[str, Members] = field(factory=dict[str, Members])
    _refs: dict[str, ActorRef[RoomMessage]] = field(factory=dict[str, ActorRef[RoomMessage]])

    async def room(self, name: str) -> ActorRef[RoomMessage]:
        """Return the room with that name; open it for its first member."""
        if name not in self._refs:
            members = self._members.setdefault(name, {})
            # With its own backoff, a room that crashes repeatedly waits longer and does not affect the others.
            again = ExponentialBackoff(base=0.05, cap=5)
            self._refs[name] = await self.rooms.start(Room, members, name=name, backoff=again)
        return self._refs[name]

    def taken(self, name: str) -> bool:
        """Return whether a member with that name is in any room."""
        return any(name in members for members in self._members.values())


@define
class Member(Actor[Line | Hangup]):
    """One connection: a spawned task reads from it, and the actor writes the room's lines to it."""

    stream: trio.SocketStream
    lobby: Lobby
    name: str = ""
    _room: ActorRef[RoomMessage] | None = None

    async def started(self) -> None:
        self.context.spawn(self._read)

    async def receive(self, message: Line | Hangup, /) -> None:
        match message:
            case Line(text):
                await self._write(text)
            case Hangup():
                self.context.stop()

    async def stopping(self, exit: Exit, /) -> None:
        await self.stream.aclose()

    async def _write(self, text: str) -> None:
        try:
            await self.stream.send_all(text.encode() + b"\n")
        except trio.BrokenResourceError:
            self.context.stop()  # the end of a connection is not a crash

    async def _read(self) -> None:
        buffer = b""
        try:
            async for chunk in self.stream:
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    text = line.decode(errors="replace").strip()
                    await self._said("".join(c for c in text if c.isprintable()))
                if len(buffer) > LONGEST_LINE:
                    break
        except trio.BrokenResourceError:
            pass
        self.context.ref.tell(Hangup())

    async def _said(self, text: str) -> None:
        tell_me = self.context.ref.tell
        if not self.name:
            if not text or self.lobby.taken(text):
                tell_me(Line("* choose another name"))
                return
            self.name = text
            await self._enter("lobby")
            return
        assert self._room is not None
        match text.split():
            case ["/quit"]:
                tell_me(Hangup())
            case ["/join", room]:
                await self._enter(room)
            case ["/who"]:
                try:
                    tell_me(Line("* " + ", ".join(await self._room.ask(Who(), timeout=5))))
                except ActorError:
                    tell_me(Line("* the room does not answer"))
            case []:
                pass
            case _:
                if not self._room.tell(Say(self.name, text)):
                    tell_me(Line("* the room is too busy, your line was lost"))

    async def _enter(self, room: str) -> None:
        try:
            entered = await self.lobby.room(room)
        except ActorError:
            self.context.ref.tell(Line("* too many rooms are open"))
            return
        if self._room is not None:
            self._room.tell(Leave(self.name))
        self._room = entered
        await entered.send(Join(self.name, self.context.ref))


async def serve(port: int = 8023, *, host: str = "127.0.0.1") -> None:
    """Serve until cancelled. Port 0 takes any free port; the first printed line shows it."""
    async with Supervisor("chat", close_within=3) as chat:
        rooms = await chat.start(SupervisorSpec("rooms", "dynamic", max_children=MOST_ROOMS))
        members = await chat.start(SupervisorSpec("members", "dynamic", max_children=MOST_MEMBERS))
        lobby = Lobby(rooms)
        mailbox = partial(DropOldest[Line | Hangup], LINES_A_SLOW_MEMBER_MAY_WAIT_FOR)

        async def connected(stream: trio.SocketStream) -> None:
            # trio closes the stream after this in any case; when full or stopping, no member is started.
            with suppress(ActorError):
                member = await members.start(Member, stream, lobby, restart="temporary", mailbox=mailbox)
                await member.wait_stopped()

        async with trio.open_nursery() as nursery:
            [listener] = await trio.open_tcp_listeners(port, host=host)
            print(f"listening on {host}:{listener.socket.getsockname()[1]}", flush=True)
            nursery.start_soon(trio.serve_listeners, connected, [listener])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "port", nargs="?", type=int, default=8023, help="port to listen on; 0 for any free one (default: 8023)"
    )
    try:
        trio.run(serve, parser.parse_args().port)
    except* KeyboardInterrupt:
        print("closed")
