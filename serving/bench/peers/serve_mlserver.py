"""MLServer in its strongest set-up here: two processes of one thread, no batching, since listings differ in length.

`mlserver start FOLDER` with the settings that `frameworks` writes, where `bundle` is in the working folder
"""

from pathlib import Path

import numpy as np
from listing_model import ListingModel
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class ListingRuntime(MLModel):
    async def load(self) -> bool:
        self._model = ListingModel(Path("bundle"), threads=1)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        title, description = StringCodec.decode_input(payload.inputs[0])
        probabilities = np.array([self._model.probabilities(title, description)])
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output("probabilities", probabilities)]
        )
