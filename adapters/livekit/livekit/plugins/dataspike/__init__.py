"""Live deepfake detection for LiveKit agents: one line in the agent, verdicts in the room or to a callback."""

from livekit.agents import Plugin
from livekit.plugins.dataspike._options import AudioParams, VideoParams
from livekit.plugins.dataspike.detector import DataspikeDetector
from livekit.plugins.dataspike.log import logger
from livekit.plugins.dataspike.version import __version__

from ds_actors.detection import Coverage, Level, ResultEvent, ResultType, Status

DeepfakeStreamingSchemaResultEvent = ResultEvent

__all__ = [
    "AudioParams",
    "Coverage",
    "DataspikeDetector",
    "DeepfakeStreamingSchemaResultEvent",
    "Level",
    "ResultEvent",
    "ResultType",
    "Status",
    "VideoParams",
    "__version__",
]


class DataspikePlugin(Plugin):
    """What LiveKit's worker lists."""

    def __init__(self) -> None:
        super().__init__(__name__, __version__, __package__ or __name__, logger)


Plugin.register_plugin(DataspikePlugin())
