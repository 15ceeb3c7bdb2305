"""The output of `tree()`, in plain text and through rich."""

from __future__ import annotations

import io
import subprocess
import sys

import trio
from attrs import define
from rich.console import Console

from ds_actors import Actor, ChildSpec, ExponentialBackoff, Node, Supervisor, SupervisorSpec


@define
class Failing(Actor[str]):
    async def receive(self, message: str, /) -> None:
        if message == "wait":
            await trio.sleep_forever()
        raise ValueError(message)


def drawn(node: Node) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(node)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def a_tree_with_everything() -> tuple[Node, str, str]:
    """One actor is busy, one is down and comes back, one has a name that means mischief: the tree, and it as text."""
    specs: list[ChildSpec[str] | SupervisorSpec] = [
        ChildSpec(Failing, name="calm"),
        SupervisorSpec("below", children=[ChildSpec(Failing, name="[red]\x1b[2Jmischief")]),
        ChildSpec(Failing, name="down", backoff=ExponentialBackoff(base=8, cap=8), expected=(ValueError,)),
    ]
    async with Supervisor("app", children=specs, random=lambda: 0.5) as app:
        calm, down = app.actors()
        for message in ("wait", "two", "three"):
            calm.tell(message)
        down.tell("[bold]a fault\x1b[2J")
        await trio.testing.wait_all_tasks_blocked()
        tree = app.tree()
        return tree, str(tree), drawn(tree)


async def test_the_plain_tree_answers_why_one_is_down_and_until_when(autojump_clock: object) -> None:
    """Each line says what it does, or why it is down; the time only where there is a clock."""
    tree, text, _ = await a_tree_with_everything()
    assert text.splitlines() == [
        "app running",
        "├─ calm running",
        "├─ below running",
        "│  └─ [red][2Jmischief running",
        "└─ down waiting: crashed, back in 4.0 s",
    ]
    assert (await trio.to_thread.run_sync(str, tree)).endswith("down waiting: crashed")


async def test_rich_draws_the_same_with_restarts_queues_and_crashes(autojump_clock: object) -> None:
    """Names and errors are not interpreted as markup, and contain no terminal control characters."""
    _, _, text = await a_tree_with_everything()
    assert "\x1b" not in text
    [header, *rows] = [line.split() for line in text.splitlines()]
    assert header == ["actor", "is", "restarts", "waiting", "last", "crash"]
    assert rows == [
        ["app", "running"],
        ["├─", "calm", "running", "2"],
        ["├─", "below", "running"],
        ["│", "└─", "[red][2Jmischief", "running"],
        ["└─", "down", "waiting:", "crashed,", "back", "in", "4.0", "s", "ValueError:", "[bold]a", "fault[2J"],
    ]


def test_the_library_needs_no_rich() -> None:
    """Importing it, and making a tree's text, imports none."""
    program = (
        "import sys, trio, ds_actors\n"
        "async def main():\n"
        "    async with ds_actors.Supervisor() as app:\n"
        "        print(app.tree())\n"
        "trio.run(main)\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'rich']\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (0, "app running\n"), done.stderr
