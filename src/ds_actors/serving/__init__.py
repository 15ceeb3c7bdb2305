"""The service's side of the wire, for your own detector."""

from ds_actors.detection import _needed as _needed  # first of all
from ds_actors.serving._client import ClientLimits
from ds_actors.serving._tree import ModelLimits
from ds_actors.serving.local import Local
from ds_actors.serving.queue import QueueLimits
from ds_actors.serving.service import DetectorService, open_service
from ds_actors.serving.status import ServiceStatus

__all__ = ["ClientLimits", "DetectorService", "Local", "ModelLimits", "QueueLimits", "ServiceStatus", "open_service"]
