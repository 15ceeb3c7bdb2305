"""The documented worker, whose job appends each of its log records to the file RECORDS as a line of JSON.

As the job itself makes them: LiveKit's main process adds fields of its own to what its jobs' processes send it.
"""

import importlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from livekit.agents import JobProcess, WorkerOptions, WorkerType, cli

sys.path.append(str(Path(__file__).parents[4] / "examples" / "deepfake-detection" / "dataspike"))

agent_worker: Any = importlib.import_module("agent_worker")


class Recorder(logging.Handler):
    """Writes what a record says, and its fields."""

    def emit(self, record: logging.LogRecord) -> None:
        """Append one line."""
        fields = {name: value for name, value in vars(record).items() if isinstance(value, str)}
        with Path(os.environ["RECORDS"]).open("a") as file:
            file.write(json.dumps({**fields, "text": record.getMessage()}) + "\n")


def record(_process: JobProcess) -> None:
    """Begin, in the process of a job."""
    logging.getLogger().addHandler(Recorder(logging.INFO))


if __name__ == "__main__":
    cli.run_app(
        WorkerOptions(
            entrypoint_fnc=agent_worker.entrypoint,
            request_fnc=agent_worker.on_request,
            prewarm_fnc=record,
            worker_type=WorkerType.ROOM,
        )
    )
