"""A plain FastAPI app: what one writes in an afternoon. It stores nothing.

arguments: BUNDLE PORT THREADS WORKERS
"""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from listing_model import ListingModel
from pydantic import BaseModel

BUNDLE, PORT, THREADS, WORKERS = Path(sys.argv[1]), *map(int, sys.argv[2:5])


class Listing(BaseModel):
    title: str
    description: str


def create_app() -> FastAPI:
    """The app of one process; its endpoint runs in threads, as FastAPI advises for work that computes."""
    app, model = FastAPI(), ListingModel(BUNDLE, threads=THREADS)

    @app.get("/ready")
    def ready() -> str:
        return "ready"

    @app.post("/score")
    def score(listing: Listing) -> dict[str, list[float]]:
        return {"probabilities": model.probabilities(listing.title, listing.description)}

    return app


if __name__ == "__main__":
    uvicorn.run("serve_plain:create_app", factory=True, port=PORT, workers=WORKERS, access_log=False)
