"""Waiting for a detector of your own to be loaded, in `serve`, `scan` and `calibrate`."""

from __future__ import annotations

import logging

from ds_actors.detectors import DetectorError
from ds_actors.serving import DetectorService


async def wait_loaded(service: DetectorService) -> None:
    """Wait until a model is loaded; the command tells why one cannot be, so the service's log does not.

    Raises:
        DetectorError: when the first one cannot be loaded.
    """
    logger = logging.getLogger("ds_actors.serving")
    held: list[logging.LogRecord] = []

    def hold(record: logging.LogRecord) -> bool:
        held.append(record)
        return False

    logger.addFilter(hold)
    try:
        await service.wait_ready()
    except DetectorError as error:
        held = [record for record in held if str(error) not in record.getMessage()]
        raise
    finally:
        logger.removeFilter(hold)
        for record in held:
            logger.handle(record)
