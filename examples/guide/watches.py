import trio

from ds_actors import Actor, ActorRef, Down, Supervisor


class Job(Actor[str]):
    async def receive(self, message: str, /) -> None:
        if message == "bad":
            raise ValueError(message)
        self.context.stop()


class Foreman(Actor[ActorRef[str] | Down]):
    async def receive(self, message: ActorRef[str] | Down, /) -> None:
        match message:
            case Down(path=path, why=why, error=error):
                print(f"{path} {why}: {error!r}")
            case job:
                self.context.watch(job, on_down=lambda down: down)  # or a fixed message: watch(job, message)


async def main() -> None:
    async with Supervisor("app", "dynamic") as app:
        foreman = await app.start(Foreman)
        for name in ("good", "bad"):
            job = await app.start(Job, name=name, restart="temporary", expected=(ValueError,))
            foreman.tell(job)
            job.tell(name)
            await job.wait_stopped()
        await trio.sleep(0.01)
    # The first job prints /app/good finished: None
    # and the second prints /app/bad crashed: ValueError('bad')


trio.run(main)
