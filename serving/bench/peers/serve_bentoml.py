"""BentoML in its strongest set-up here: two processes of one thread, no batching, since listings differ in length.

`bentoml serve serve_bentoml:Listings`, where `bundle` is in the working folder
"""

from pathlib import Path

import bentoml
from listing_model import ListingModel


@bentoml.service(workers=2, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Listings:
    def __init__(self) -> None:
        self._model = ListingModel(Path("bundle"), threads=1)

    @bentoml.api
    def score(self, title: str, description: str) -> dict[str, list[float]]:
        return {"probabilities": self._model.probabilities(title, description)}
