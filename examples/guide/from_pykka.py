import trio
from attrs import define, frozen

from ds_actors import Actor, Answer, Exit, Request, Supervisor


@frozen
class Play:
    track: str


@frozen
class Playing(Request[str | None]):
    pass


@define
class Player(Actor[Play | Playing]):  # pykka.ThreadingActor
    current: str | None = None

    async def started(self) -> None:  # on_start
        print("ready")  # prints ready

    async def receive(self, message: Play | Playing, /) -> Answer | None:  # on_receive, or the proxy's methods
        match message:
            case Play(track):
                self.current = track
            case Playing():
                return message.answer(self.current)
        return None

    async def stopping(self, exit: Exit, /) -> None:  # on_stop and on_failure
        print("crashed" if exit.crash else "stopped")  # prints stopped


async def main() -> None:
    async with Supervisor("app") as app:  # leaving it is ActorRegistry.stop_all()
        player = await app.start(Player)  # Player.start()
        player.tell(Play("blue"))  # ref.tell(...), proxy.play("blue")
        print(await player.ask(Playing(), timeout=1))  # ref.ask(...), proxy.current.get(), prints blue

        def from_a_thread() -> None:
            player.tell_from_thread(Play("green"))

        await trio.to_thread.run_sync(from_a_thread)
        print(await player.ask(Playing(), timeout=1))  # prints green


trio.run(main)
