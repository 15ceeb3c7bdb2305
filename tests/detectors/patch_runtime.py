"""A model of MLServer that finds the painted patch; it runs in MLServer's environment, without ds_actors."""
# mypy: ignore-errors
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUntypedBaseClass=false, reportUnknownParameterType=false, reportUnknownArgumentType=false

from __future__ import annotations

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class PatchModel(MLModel):
    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        pixels = NumpyCodec.decode_input(payload.inputs[0])
        red, green, blue = pixels[:, 0], pixels[:, 1], pixels[:, 2]
        magenta = (red > 0.66) & (blue > 0.66) & (green < 0.36)
        lime = (green > 0.66) & (red < 0.36) & (blue < 0.36)
        share = np.minimum(magenta.mean((1, 2)), lime.mean((1, 2)))
        answer = np.clip(32 * share, 0, 1).astype(np.float32)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("probability", answer)])
