import trio
import trio.testing
from attrs import define

from ds_actors import Actor, ChildSpec, Exit, Supervisor
from ds_actors.testing import crash


@define
class Noting(Actor[str]):
    notes: list[str]

    async def started(self) -> None:
        self.notes.append(f"+{self.context.name}")

    async def stopping(self, exit: Exit, /) -> None:
        self.notes.append(f"-{self.context.name}")

    async def receive(self, message: str, /) -> None:
        pass


async def main() -> None:
    for strategy in ("one_for_one", "rest_for_one", "one_for_all"):
        notes: list[str] = []
        specs = [ChildSpec(Noting, notes, name=name) for name in ("connection", "session", "report")]
        async with Supervisor("app", strategy, specs) as app:
            notes.clear()
            await crash(app, "session")
            await trio.testing.wait_all_tasks_blocked()
            print(f"{strategy}:", " ".join(notes))
    # prints one_for_one: -session +session
    # prints rest_for_one: -session -report +session +report
    # prints one_for_all: -session -report -connection +connection +session +report


trio.run(main)
