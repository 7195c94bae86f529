"""LitServe in its strongest set-up here: two processes of one thread, no batching, since listings differ in length.

arguments: BUNDLE PORT
"""

import sys
from pathlib import Path

import litserve
from listing_model import ListingModel

WORKERS = 2


class ListingApi(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self._model = ListingModel(Path(sys.argv[1]), threads=1)

    def decode_request(self, request: dict[str, str]) -> tuple[str, str]:
        return request["title"], request["description"]

    def predict(self, texts: tuple[str, str]) -> list[float]:
        return self._model.probabilities(*texts)

    def encode_response(self, probabilities: list[float]) -> dict[str, list[float]]:
        return {"probabilities": probabilities}


if __name__ == "__main__":
    server = litserve.LitServer(ListingApi(), accelerator="cpu", devices=1, workers_per_device=WORKERS)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="warning")
