import trio
import trio.testing
from attrs import define

from ds_actors import Actor, ChildSpec, ExponentialBackoff, Supervisor, SupervisorSpec

Totals = dict[str, int]


@define
class Shop(Actor[int]):
    totals: Totals  # state that must outlive a crash belongs outside the actor

    async def receive(self, message: int, /) -> None:
        self.totals[self.context.name] = self.totals.get(self.context.name, 0) + message
        if message < 0:
            raise ValueError("a sale below zero")


def town(totals: Totals) -> list[SupervisorSpec]:
    shops = [ChildSpec(Shop, totals, name=name, expected=(ValueError,)) for name in ("bakery", "florist")]
    again = ExponentialBackoff(base=2, cap=60)
    post = ChildSpec(Shop, totals, name="post", backoff=again, expected=(ValueError,))
    return [SupervisorSpec("market", children=shops), SupervisorSpec("services", children=[post])]


async def main() -> None:
    totals: Totals = {}
    async with Supervisor("town", children=town(totals), random=lambda: 0.5) as app:
        bakery, post = app.find_actor("market/bakery"), app.find_actor("services/post")
        for sale in (5, -1, 3):
            bakery.tell(sale)
        post.tell(-4)
        await trio.testing.wait_all_tasks_blocked()
        print(sorted(totals.items()))  # prints [('bakery', 7), ('post', -4)]
        print(app.tree())  # prints └─ post waiting: crashed, back in


trio.run(main)
