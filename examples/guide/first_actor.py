import trio
from attrs import define, frozen

from ds_actors import Actor, Answer, AskFailed, Request, Supervisor


@frozen
class Deposit:  # a message is any object, preferably frozen
    amount: int


@frozen
class Withdraw(Request[int]):  # a request knows its reply's type
    amount: int


@define
class Account(Actor[Deposit | Withdraw]):
    balance: int = 0

    async def receive(self, message: Deposit | Withdraw, /) -> Answer | None:
        match message:
            case Deposit(amount):
                self.balance += amount
            case Withdraw(amount):
                if amount > 1_000:
                    raise ValueError("over the limit")
                self.balance -= amount
                return message.answer(self.balance)
        return None


async def main() -> None:
    async with Supervisor("bank") as bank:
        account = await bank.start(Account, name="alice", expected=(ValueError,))
        account.tell(Deposit(100))  # never waits; False when the mailbox refused it
        print(await account.ask(Withdraw(30), timeout=1))  # prints 70
        try:
            await account.ask(Withdraw(5_000), timeout=1)
        except AskFailed as failed:
            print(failed.__cause__)  # prints over the limit
        # The same reference, but a new incarnation with new fields.
        print(await account.ask(Withdraw(0), timeout=1))  # prints 0


trio.run(main)
