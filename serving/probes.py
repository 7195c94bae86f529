"""What machines ask about the service itself: is it alive, can it work, how is it doing. None of it needs a key."""

import orjson
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import Engine, text
from starlette.requests import Request
from starlette.responses import Response

from fairstall.model.decision import Versions
from fairstall.records.engine import reading
from fairstall.serving.lookups import Lookups
from fairstall.serving.metrics import Telemetry
from fairstall.serving.reload import ModelInService


class Probes:
    """`/healthz`, `/readyz` and `/metrics`."""

    def __init__(self, *, engine: Engine, lookups: Lookups, model: ModelInService, telemetry: Telemetry) -> None:
        self._engine = engine
        self._lookups = lookups
        self._model = model
        self._telemetry = telemetry

    async def healthz(self, _request: Request) -> Response:
        """The process answers."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def readyz(self, _request: Request) -> Response:
        """A model is loaded and the store answers. Raises StoreUnavailable."""
        versions = await self.ready()
        body = {"status": "ready", "versions": {"model": versions.model, "policies": versions.policies}}
        return Response(orjson.dumps(body), media_type="application/json")

    async def ready(self) -> Versions:
        """What would take the next listing, once the store has answered. Raises StoreUnavailable."""
        await self._lookups.ask(self._ask_store)
        return self._model.batcher.assessor.versions

    async def metrics(self, _request: Request) -> Response:
        """Prometheus' text format."""
        return Response(self._telemetry.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _ask_store(self) -> None:
        with reading(self._engine) as connection:
            connection.execute(text("SELECT version_num FROM alembic_version"))
