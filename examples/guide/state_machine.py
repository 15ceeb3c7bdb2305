from collections import deque

import trio
from attrs import define, field, frozen

from ds_actors import Actor, Answer, DeferredReply, Request, Supervisor


@frozen
class Locked:
    wrong_codes: int = 0


@frozen
class Open: ...


@frozen
class Barred:
    """After three wrong codes, for a while."""


State = Locked | Open | Barred


@frozen
class Code:
    digits: str


@frozen
class Enter(Request[str]):
    who: str


@frozen
class TimedOut:
    state: State


@define(eq=False)
class Door(Actor[Code | Enter | TimedOut]):
    code: str
    _state: State = field(factory=Locked, init=False)
    _timer: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _postponed: deque[tuple[Enter, DeferredReply[str]]] = field(factory=deque[tuple[Enter, DeferredReply[str]]])

    async def receive(self, message: Code | Enter | TimedOut, /) -> Answer | None:
        match self._state, message:
            case Open(), Enter(who):
                return message.answer(f"welcome, {who}")
            case _, Enter(who) if len(self._postponed) >= 100:
                return message.answer(f"too many wait, {who}")
            case _, Enter():
                self._postponed.append((message, self.context.defer(message)))
            case Locked(), Code(digits) if digits == self.code:
                self._become(Open(), timeout=1)
            case Locked(wrong_codes=2), Code():
                self._become(Barred(), timeout=60)
            case Locked(wrong_codes), Code():
                self._become(Locked(wrong_codes + 1))
            case state, TimedOut(of) if of is state:
                self._become(Locked())
            case _:
                pass  # a code at an open or a barred door; a timeout that was on its way when the state changed
        return None

    def _become(self, state: State, timeout: float | None = None) -> None:
        self._timer.cancel()
        print(f"{type(self._state).__name__} -> {type(state).__name__}")
        self._state = state
        if timeout is not None:
            self._timer = self.context.send_after(timeout, TimedOut(state))
        if isinstance(state, Open):
            while self._postponed:
                request, reply = self._postponed.popleft()
                reply.answer(f"at last, {request.who}")


async def main() -> None:
    async with Supervisor("app") as app, trio.open_nursery() as nursery:
        door = await app.start(Door, "1234")

        async def enter(who: str) -> None:
            print(await door.ask(Enter(who), timeout=10))

        nursery.start_soon(enter, "Ada")  # the door is locked, so her request is postponed
        await trio.sleep(0.01)
        door.tell(Code("0000"))  # prints Locked -> Locked
        door.tell(Code("1234"))  # prints Locked -> Open
        await trio.sleep(0.01)  # prints at last, Ada
        await enter("Bob")  # prints welcome, Bob
        await trio.sleep(1.5)  # the timeout: prints Open -> Locked
        for _ in range(3):
            door.tell(Code("0000"))
        await trio.sleep(0.01)  # prints Locked -> Barred


trio.run(main)
