"""A monitor whose figures Prometheus can scrape; prints one of them, as it would be served."""

import trio
from prometheus_client import REGISTRY, generate_latest

from ds_actors.detection import Dataspike, Monitor
from ds_actors.detection.metrics import default_metrics
from ds_actors.sandbox import open_sandbox


async def main() -> None:
    async with open_sandbox() as sandbox:
        monitor = Monitor(service=Dataspike(api_key="any", url=sandbox.url))
        with default_metrics().recorder(monitor) as recorder:
            async with monitor, trio.open_nursery() as nursery:
                nursery.start_soon(recorder.run)
                await trio.sleep(0.1)
                # prometheus_client.start_http_server(9000) serves this in a thread of its own.
                lines = generate_latest(REGISTRY).decode().splitlines()
                wanted = 'ds_actors_monitors{state="running"}'
                print(
                    next(line for line in lines if line.startswith(wanted))
                )  # prints ds_actors_monitors{state="running"} 1.0
                nursery.cancel_scope.cancel()


trio.run(main)
