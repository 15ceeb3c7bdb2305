import trio
from attrs import define, field, frozen

from ds_actors import (
    Actor,
    ActorRef,
    Answer,
    ChildSpec,
    Exit,
    Ignore,
    Request,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
)


@frozen
class Get(Request[int | None]):
    key: str


@frozen
class Put:
    key: str
    value: int


@frozen
class Tick:
    pass


@define
class Store(Actor[Get | Put | Tick]):  # -behaviour(gen_server).
    enabled: bool = True
    _values: dict[str, int] = field(factory=dict[str, int])

    async def started(self) -> None:  # init/1
        if not self.enabled:
            raise Ignore  # ignore
        self.context.send_after(0.01, Tick())  # erlang:send_after/3

    async def receive(self, message: Get | Put | Tick, /) -> Answer | None:
        match message:
            case Get(key):  # handle_call/3
                return message.answer(self._values.get(key))
            case Put(key, value):  # handle_cast/2
                self._values[key] = value
            case Tick():  # handle_info/2
                print("tick")  # prints tick
        return None

    async def stopping(self, exit: Exit, /) -> None:  # terminate/2
        print("terminate:", exit.kind)  # prints terminate: stopped


async def main() -> None:
    specs: list[ChildSpec[Get | Put | Tick] | SupervisorSpec] = [
        ChildSpec(Store, name="store", restart="permanent", grace=5.0),
        ChildSpec(Store, False, name="off", restart="transient"),
        SupervisorSpec("pool", strategy="dynamic"),  # simple_one_for_one, in the form of Elixir's DynamicSupervisor
    ]
    async with Supervisor("sup", "rest_for_one", specs, max_restarts=1, within=5) as sup:
        store, pool = sup.find("store"), sup.find("pool")  # whereis/1
        assert isinstance(store, ActorRef)
        assert isinstance(pool, SupervisorRef)
        store.tell(Put("a", 1))  # gen_server:cast/2
        print(await store.ask(Get("a"), timeout=5))  # gen_server:call/3, prints 1
        worker = await pool.start(Store, name="worker")  # supervisor:start_child/2
        await pool.terminate("worker")  # supervisor:terminate_child/2
        print(worker.stopped, sup.count())  # supervisor:count_children/1, prints True Counts(specs=3, active=2,
        await trio.sleep(0.05)


trio.run(main)
