import trio
from attrs import define, field, frozen

from ds_actors import Actor, ActorRef, Answer, AskTimeout, DeferredReply, Request, Supervisor


@frozen
class Price(Request[int]):
    of: str


@frozen
class Quoted:
    of: str
    price: int


@define
class Exchange(Actor[Price | Quoted]):
    """Asks a slow market, and still answers other messages meanwhile."""

    _waiting: dict[str, list[DeferredReply[int]]] = field(factory=dict[str, list[DeferredReply[int]]])

    async def receive(self, message: Price | Quoted, /) -> Answer | None:
        match message:
            case Price("gold"):
                return message.answer(7)
            case Price(of):
                self._waiting.setdefault(of, []).append(self.context.defer(message))
                self.context.spawn(self._quote, of)
            case Quoted(of, price):
                for later in self._waiting.pop(of, []):
                    later.answer(price)
        return None

    async def _quote(self, of: str) -> None:
        await trio.sleep(0.01 if of == "tea" else 60)
        self.context.ref.tell(Quoted(of, len(of)))


@define
class Curious(Actor[str]):
    exchange: ActorRef[Price | Quoted]

    async def receive(self, message: str, /) -> None:
        try:
            price = await self.exchange.ask(Price(message), timeout=0.1)
            print(f"{message} costs {price}")
        except AskTimeout:  # an expected ending is handled here; any other is a crash
            print(f"no price for {message}")


async def main() -> None:
    async with Supervisor("app") as app:
        exchange = await app.start(Exchange)
        curious = await app.start(Curious, exchange, drain=True)
        for thing in ("silk", "tea", "gold"):
            curious.tell(thing)
    # prints no price for silk
    # prints tea costs 3
    # prints gold costs 7


trio.run(main)
