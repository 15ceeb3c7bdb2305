"""Shows the monitor's reaction when the service refuses the key, with the sandbox."""

import trio

from ds_actors.detection import Dataspike, Monitor
from ds_actors.sandbox import open_sandbox


async def main() -> None:
    async with open_sandbox() as sandbox:
        sandbox.faults.refuse_upgrades(403)
        async with Monitor(service=Dataspike(api_key="any", url=sandbox.url)) as monitor:
            while monitor.status().uplink.state != "refused":
                await trio.sleep(0.01)
        print(len(sandbox.attempts), "attempt")  # prints 1 attempt
        assert all(row.kept for row in sandbox.grade())


trio.run(main)
