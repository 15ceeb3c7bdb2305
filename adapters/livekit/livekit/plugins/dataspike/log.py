"""The plugin's logger."""

import logging

from ds_actors.detection.log_fields import carry_log_fields

logger = logging.getLogger("livekit.plugins.dataspike")
carry_log_fields(logger)
