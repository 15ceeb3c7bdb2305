import trio
from attrs import define

from ds_actors import Actor, ActorRef, ExponentialBackoff, Supervisor
from ds_actors.testing import Probe, assert_no_leftover_tasks, crash, run_virtual


@define
class Reminder(Actor[str]):
    """The code under test: repeats a message an hour later."""

    to: ActorRef[str]

    async def receive(self, message: str, /) -> None:
        self.context.spawn(self._later, message)

    async def _later(self, message: str) -> None:
        await trio.sleep(3_600)
        self.to.tell(message)


def test_it_reminds_after_an_hour() -> None:
    """An hour of virtual time takes no time."""

    async def check() -> None:
        probe = Probe[str]()
        async with assert_no_leftover_tasks(), Supervisor("app") as app:
            reminder = await app.start(Reminder, probe.ref)
            reminder.tell("tea")
            await probe.expect_nothing(seconds=3_599)
            assert await probe.receive(timeout=2) == "tea"

    run_virtual(check)


def test_a_crash_forgets_what_was_promised() -> None:
    """A new incarnation does not inherit the old one's tasks, and its backoff delays the next message."""

    async def check() -> None:
        probe = Probe[str]()
        async with Supervisor("app") as app:
            reminder = await app.start(Reminder, probe.ref, backoff=ExponentialBackoff())
            reminder.tell("tea")
            await crash(app, reminder)
            reminder.tell("cake")
            assert await probe.receive(timeout=2 * 3_600) == "cake"
            await probe.expect_nothing(seconds=24 * 3_600)

    run_virtual(check)


if __name__ == "__main__":
    test_it_reminds_after_an_hour()
    test_a_crash_forgets_what_was_promised()
    print("both hold")  # prints both hold
