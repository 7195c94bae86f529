"""Fairstall's own endpoints: who asks, what they sent, and how it is answered. The work is `service`'s."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response

from fairstall.model.errors import ListingError, NotFound
from fairstall.model.listing import Listing
from fairstall.model.policies import PolicySet
from fairstall.model.wire import answer_body, stored_answer_body
from fairstall.records.keys import Scope
from fairstall.records.ledger import Ledger
from fairstall.serving.bodies import read_json, read_listing, read_listings
from fairstall.serving.idempotency import Produced, RequestKey
from fairstall.serving.intake import Intake, json_response
from fairstall.serving.lookups import Lookups
from fairstall.serving.problems import problem_body
from fairstall.serving.reload import ModelInService
from fairstall.serving.service import ScoringService, Settled

log = logging.getLogger("fairstall.serving")

Item: TypeAlias = Listing | ListingError

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class Endpoints:
    """`POST /v1/score`, `POST /v1/score/batch`, `GET /v1/decisions/{decision_id}` and `GET /v1/policies`."""

    def __init__(
        self, *, service: ScoringService, intake: Intake, ledger: Ledger, lookups: Lookups, model: ModelInService
    ) -> None:
        self._service = service
        self._intake = intake
        self._ledger = ledger
        self._lookups = lookups
        self._model = model

    async def score(self, request: Request) -> Response:
        """Score one listing, store the decision, answer it."""
        caller, with_scores = await self._intake.caller(request, Scope.SCORE), _wants_scores(request)
        body = await self._intake.body(request, self._intake.limits.body_bytes)

        def tell(settled: Settled) -> bytes:
            return orjson.dumps(_answer(settled, with_scores=with_scores))

        async def produce(key: RequestKey | None) -> Produced:
            listing = read_listing(read_json(body))
            self._intake.charge(caller)
            return await self._service.one(listing, tell=tell, key=key)

        return await self._intake.answer(request, caller, body, produce, variant=f"?scores={with_scores}")

    async def score_batch(self, request: Request) -> Response:
        """Score up to a hundred listings, store every decision in one transaction, answer them in order."""
        caller, with_scores = await self._intake.caller(request, Scope.SCORE), _wants_scores(request)
        body = await self._intake.body(request, self._intake.limits.batch_bytes)

        def tell(items: Sequence[Item], settled: Sequence[Settled | Exception]) -> bytes:
            for fault in settled:
                if isinstance(fault, Exception):
                    log.error("request %s: a listing failed", request.state.request_id, exc_info=fault)
            return _batch_answer(items, settled, with_scores=with_scores)

        async def produce(key: RequestKey | None) -> Produced:
            values = read_listings(read_json(body), at_most=self._intake.limits.batch_listings)
            items = [_item(value) for value in values]
            listings = [item for item in items if isinstance(item, Listing)]
            self._intake.charge(caller, len(listings))
            return await self._service.each(listings, tell=partial(tell, items), key=key)

        return await self._intake.answer(request, caller, body, produce, variant=f"?scores={with_scores}")

    async def decision(self, request: Request) -> Response:
        """One decision as it was stored; what overrides it is another one."""
        await self._intake.caller(request, Scope.READ)
        with_scores = _wants_scores(request)
        decision_id = _decision_id(request.path_params["decision_id"])
        found = await self._lookups.ask(self._ledger.find, decision_id)
        return json_response(orjson.dumps(stored_answer_body(found, with_scores=with_scores)))

    async def policies(self, request: Request) -> Response:
        """The policies in force, and what they state for a listing that gets no answer."""
        await self._intake.caller(request, Scope.READ)
        return json_response(orjson.dumps(_policies(self._model.batcher.assessor.policies)))


def _policies(policies: PolicySet) -> dict[str, Any]:
    told = [
        {
            "code": policy.code,
            "title": policy.title,
            "seller_text": policy.seller_text,
            "severity": policy.severity,
            "on_timeout": policy.on_timeout,
        }
        for policy in policies
    ]
    return {"version": policies.version, "on_timeout": policies.on_timeout, "policies": told}


def _answer(settled: Settled, *, with_scores: bool) -> dict[str, Any]:
    decision = settled.decision
    return answer_body(
        decision.assessment,
        listing_id=decision.listing_id,
        decision=decision,
        timings_ms=settled.timings_ms,
        with_scores=with_scores,
    )


def _batch_answer(items: Sequence[Item], settled: Sequence[Settled | Exception], *, with_scores: bool) -> bytes:
    """An answer for each listing, and an error in the place of each item that is none or failed."""
    answers = iter(settled)
    results = [item if isinstance(item, ListingError) else next(answers) for item in items]
    told = [
        {"error": problem_body(one)} if isinstance(one, Exception) else _answer(one, with_scores=with_scores)
        for one in results
    ]
    return orjson.dumps({"answers": told})


def _wants_scores(request: Request) -> bool:
    if not request.scope["query_string"]:
        return False
    value = request.query_params.get("scores", "false").lower()
    if value not in _FLAGS:
        raise ListingError("scores", "true or false is needed")
    return _FLAGS[value]


def _item(value: object) -> Item:
    try:
        return read_listing(value)
    except ListingError as error:
        return error


def _decision_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise NotFound("there is no such decision: an id is a UUID") from error
