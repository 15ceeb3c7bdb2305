"""The name under which version 1.2 has the result's class, for type hints that name it."""

from ds_actors.detection import ResultEvent as DeepfakeStreamingSchemaResultEvent

__all__ = ["DeepfakeStreamingSchemaResultEvent"]
