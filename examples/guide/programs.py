import signal
import sys

import trio

from ds_actors import ChildEnded, ExponentialBackoff, Supervisor, TelemetryEvent
from ds_actors.processes import LineMatches, Program, ProgramActor, ProgramEnded

SERVER = """
import signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: sys.exit("the disk is full"))
print("listening on port 7000", flush=True)
while True:
    time.sleep(1)
"""


def report(event: TelemetryEvent) -> None:
    match event:
        case ChildEnded(error=ProgramEnded() as error):
            print(f"code {error.code}, after: {error.last_lines[-1]}")
        case ChildEnded(kind=kind):
            print(kind)
        case _:
            pass


async def main() -> None:
    server = Program([sys.executable, "-c", SERVER], {"COLOUR": "no"}, ready=LineMatches(r"listening on port \d+"))
    async with Supervisor("app", listeners=(report,)) as app:
        ref = await app.start(ProgramActor, server, name="server", backoff=ExponentialBackoff(base=0.01), grace=10)
        ref.tell(signal.SIGUSR1)  # the program exits: prints code 1, after: the disk is full
        while app.tree().children[0].incarnation < 2:
            await trio.sleep(0.01)
    # The second life ends with the tree, by SIGTERM: prints stopped


trio.run(main)
