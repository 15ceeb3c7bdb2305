"""A chat server over TCP whose rooms may crash: no member is disconnected or has to join again.

    python examples/chat_server.py [PORT]     # then, in other terminals: nc localhost 8023

The first line is one's name. `/join ROOM` enters a room, `/who` lists who is there, `/quit` leaves; everything else is
said to the room. `/crash` makes the room fail, as a bug would.

The tree: `rooms` holds an actor a room, `members` one a connection. Who is in a room outlives the room's crash, so it
belongs to the lobby, which hands it to each life of the room. A member that reads too slowly loses the oldest lines.
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
    """What a member reads, without its newline."""

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
    """A member goes, or is gone."""

    name: str


@frozen
class Say:
    """A member says something to all the others."""

    name: str
    text: str


@frozen
class Who(Request[list[str]]):
    """Who is here?"""


Members = dict[str, ActorRef[Line | Hangup]]
RoomMessage = Join | Leave | Say | Who


@define
class Room(Actor[RoomMessage]):
    """Passes on what is said; the lobby keeps its members."""

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
                member.tell(Line(text))  # never waits: a slow member delays no other


@define
class Lobby:
    """Opens rooms, and keeps what must outlive them."""

    rooms: SupervisorRef
    _members: dict[str, Members] = field(factory=dict[str, Members])
    _refs: dict[str, ActorRef[RoomMessage]] = field(factory=dict[str, ActorRef[RoomMessage]])

    async def room(self, name: str) -> ActorRef[RoomMessage]:
        """Return the room of that name, which is opened for the first who comes."""
        if name not in self._refs:
            members = self._members.setdefault(name, {})
            # A backoff of its own: a room that crashes again and again waits longer, and costs the others nothing.
            again = ExponentialBackoff(base=0.05, cap=5)
            self._refs[name] = await self.rooms.start(Room, members, name=name, backoff=again)
        return self._refs[name]

    def taken(self, name: str) -> bool:
        """Whether somebody of that name is in any room."""
        return any(name in members for members in self._members.values())


@define
class Member(Actor[Line | Hangup]):
    """One connection: a spawned task reads from it, and what the room tells is written to it."""

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
            self.context.stop()  # gone without a word: the end of a connection is no crash

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
                    tell_me(Line("* the room is too busy, that was lost"))

    async def _enter(self, room: str) -> None:
        try:
            entered = await self.lobby.room(room)
        except ActorError:
            self.context.ref.tell(Line("* there is no room for another room"))
            return
        if self._room is not None:
            self._room.tell(Leave(self.name))
        self._room = entered
        await entered.send(Join(self.name, self.context.ref))


async def serve(port: int = 8023, *, host: str = "127.0.0.1") -> None:
    """Serve until cancelled; port 0 takes any free one, and the first line printed says which."""
    async with Supervisor("chat", close_within=3) as chat:
        rooms = await chat.start(SupervisorSpec("rooms", "dynamic", max_children=MOST_ROOMS))
        members = await chat.start(SupervisorSpec("members", "dynamic", max_children=MOST_MEMBERS))
        lobby = Lobby(rooms)
        mailbox = partial(DropOldest[Line | Hangup], LINES_A_SLOW_MEMBER_MAY_WAIT_FOR)

        async def connected(stream: trio.SocketStream) -> None:
            # Whatever the end, trio closes the stream after this; full or stopping, there is no member.
            with suppress(ActorError):
                member = await members.start(Member, stream, lobby, restart="temporary", mailbox=mailbox)
                await member.wait_stopped()

        async with trio.open_nursery() as nursery:
            [listener] = await trio.open_tcp_listeners(port, host=host)
            print(f"listening on {host}:{listener.socket.getsockname()[1]}", flush=True)
            nursery.start_soon(trio.serve_listeners, connected, [listener])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", nargs="?", type=int, default=8023, help="0 takes any free one (default: 8023)")
    try:
        trio.run(serve, parser.parse_args().port)
    except* KeyboardInterrupt:
        print("closed")
