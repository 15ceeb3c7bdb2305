"""A simulated room: the real policies, outbox and assessment, driven by events instead of actors."""

from ds_actors.simulation.engine import Simulation
from ds_actors.simulation.outcome import Detection, Outcome, merged

__all__ = ["Detection", "Outcome", "Simulation", "merged"]
