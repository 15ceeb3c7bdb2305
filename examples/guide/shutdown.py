import trio
from attrs import define

from ds_actors import Actor, ChildSpec, Exit, Supervisor


@define
class Writer(Actor[str]):
    lines: list[str]

    async def receive(self, message: str, /) -> None:
        await trio.sleep(0.001)
        self.lines.append(message)

    async def stopping(self, exit: Exit, /) -> None:
        await trio.sleep(0.001)  # shielded: an outer cancellation does not interrupt it
        print(f"{self.context.name} {exit.kind} after {len(self.lines)} lines")


async def main() -> None:
    specs = [
        ChildSpec(Writer, list[str](), name="journal", drain=True),  # queued lines are written first
        ChildSpec(Writer, list[str](), name="preview", grace=1.0),  # queued lines become dead letters
    ]
    async with Supervisor("app", children=specs, close_within=5.0) as app:
        for writer in app.actors():
            for number in range(20):
                writer.tell(f"line {number}")
    # In reverse order: prints preview stopped after 0 lines
    # and then: prints journal stopped after 20 lines


trio.run(main)
