"""The ledger: decisions are appended and overridden, never changed. What decides is `model`; who waits is `serving`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, bindparam, exists, insert, select
from sqlalchemy.exc import IntegrityError

from fairstall.model.decide import Outcome
from fairstall.model.decision import Decision
from fairstall.model.errors import Conflict, NotFound
from fairstall.model.fingerprint import fingerprint
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing, Price
from fairstall.model.urgency import Urgency
from fairstall.model.view import view_listing
from fairstall.model.wire import assessment_body, assessment_from_body, iso_utc, listing_body
from fairstall.records.blocked import Blocked, keep_prints, policies_of_override, withdraw_prints
from fairstall.records.engine import reading, writing
from fairstall.records.idempotency import KeyedAnswer, find_answer, insert_new, keep_answers
from fairstall.records.leaves import digest_of_body
from fairstall.records.outbox import Event, decision_event, write_events
from fairstall.records.tables import audit_leaves, cases, decisions, listings, opened_with


class CaseReason(StrEnum):
    """Why a listing is in the review queue."""

    UNCERTAIN = "uncertain"
    CONTROL = "control"
    GOLDEN = "golden"
    SECOND_OPINION = "second_opinion"
    APPEAL = "appeal"
    REPORT = "report"
    ESCALATION = "escalation"


# Whoever reviews these must not know what the model, or anybody else, made of the listing.
BLIND_REASONS = frozenset({CaseReason.CONTROL})
# A review of such a case is compared with others: nothing is put into force for it, and it gives no label.
COMPARED = frozenset({CaseReason.SECOND_OPINION, CaseReason.GOLDEN})


@dataclass(frozen=True, slots=True)
class NewCase:
    """A case to be opened with a decision. `policy` is the gravest finding's; `priority`, 0 to 1, and time of opening
    gave the `urgency` by which it is handed out."""

    case_id: str
    reason: CaseReason
    policy: str | None
    priority: float
    urgency: Urgency


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A decision with all that is stored with it or not at all. `fingerprint` is kept when it blocks."""

    listing: Listing
    decision: Decision
    case: NewCase | None = None
    events: tuple[Event, ...] = ()
    fingerprint: bytes | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """What one request decided, and the answer to keep under its idempotency key."""

    entries: tuple[LedgerEntry, ...]
    answer: KeyedAnswer | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """That `outcome` takes the place of a decision. `policies` are those that a person blocks for."""

    decision_id: str
    outcome: Outcome
    policies: tuple[str, ...] = ()


class Ledger:
    """The decisions of one store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(self, entries: Sequence[LedgerEntry]) -> None:
        """Store all of `entries` in one transaction, or raise StoreUnavailable and store none."""
        self.submit([Submission(tuple(entries))])

    def submit(self, submissions: Sequence[Submission]) -> list[bool]:
        """Store whole submissions in one transaction, or raise StoreUnavailable and store none.

        False stands for a submission whose idempotency key another one took first: nothing of it was stored.
        """
        with writing(self._engine) as connection:
            kept = keep_answers(connection, [one.answer for one in submissions if one.answer])
            accepted = [_take(kept, one) for one in submissions]
            _write_entries(
                connection,
                [entry for one, taken in zip(submissions, accepted, strict=True) if taken for entry in one.entries],
            )
        return accepted

    def find(self, decision_id: str) -> Decision:
        """One decision. Raises NotFound, which tells an archived one from one that never was."""
        found = self._one(_DECISION.where(decisions.c.decision_id == decision_id))
        if found is None:
            raise NotFound(self._why_not(decision_id))
        return found

    def latest(self, listing_id: str) -> Decision:
        """The newest decision on a listing that nothing overrides. Raises NotFound."""
        newer = decisions.alias("newer")
        standing = ~exists().where(newer.c.overrides == decisions.c.decision_id)
        newest = (decisions.c.decided_at.desc(), decisions.c.decision_id.desc())
        found = self._one(_DECISION.where(decisions.c.listing_id == listing_id, standing).order_by(*newest).limit(1))
        if found is None:
            raise NotFound(f"there is no decision on the listing {listing_id}")
        return found

    def listing_of(self, decision_id: str) -> Listing:
        """The listing as it was when it was decided. Raises NotFound."""
        with reading(self._engine) as connection:
            body = connection.execute(_body_of(decision_id)).scalar_one_or_none()
        if body is None:
            raise NotFound(f"there is no decision {decision_id}")
        return listing_from_body(body)

    def answer(self, *, api_key_id: str, key: str, now: datetime) -> KeyedAnswer | None:
        """What was answered under an idempotency key in the last day, or None."""
        with reading(self._engine) as connection:
            return find_answer(connection, api_key_id=api_key_id, key=key, now=now)

    @staticmethod
    def override(
        connection: Connection,
        decision_id: str,
        outcome: Outcome,
        actor: str,
        now: datetime,
        policies: Sequence[str] = (),
    ) -> Decision:
        """A new row that puts `outcome` in the place of the decision named, inside the caller's transaction.

        `policies` are those that a person blocks for. Findings and scores stay as they were found. Raises NotFound, or
        Conflict when it was overridden before.
        """
        [new] = Ledger.override_all(connection, [Override(decision_id, outcome, tuple(policies))], actor, now)
        return new

    @staticmethod
    def override_all(connection: Connection, wanted: Sequence[Override], actor: str, now: datetime) -> list[Decision]:
        """As `override`, for several decisions by a handful of statements. All or none."""
        if not wanted:
            return []
        by_id = {one.decision_id: one for one in wanted}
        # Locked, so that no erasure takes a listing away before the new row names it.
        rows = connection.execute(_TO_OVERRIDE, {"decision_ids": list(by_id)}).all()
        if missing := by_id.keys() - {row.decision_id for row in rows}:
            raise NotFound(f"there is no decision {min(missing)}")
        new = [_overriding(_decision(row), by_id[row.decision_id].outcome, actor, now) for row in rows]
        pairs = zip(new, rows, strict=True)
        try:
            connection.execute(_NEW_DECISIONS, [_decision_row(one, row.listing_digest) for one, row in pairs])
        except IntegrityError as error:
            named = f"the decision {min(by_id)}" if len(by_id) == 1 else f"one of {len(by_id)} decisions"
            raise Conflict(f"{named} was overridden before") from error
        withdraw_prints(connection, list(by_id), now)
        keep_prints(connection, _blocked_by_override(connection, new, rows, by_id))
        write_events(connection, [decision_event(one) for one in new])
        return new

    def _why_not(self, decision_id: str) -> str:
        leaf = select(audit_leaves.c.archived).where(audit_leaves.c.row_id == decision_id)
        with reading(self._engine) as connection:
            month = connection.execute(leaf).scalar_one_or_none()
        if month:
            return f"the decision {decision_id} is in the archive of {month}"
        return f"there is no decision {decision_id}"

    def _one(self, query: Select[Any]) -> Decision | None:
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _decision(row)


def listing_digest(listing: Listing) -> str:
    """SHA-256 of the listing's canonical JSON: two uploads with the same digest are the same to the last character."""
    return digest_of_body(listing_body(listing))


def listing_from_body(body: Mapping[str, Any]) -> Listing:
    """A stored listing; it is not checked again, since limits may have changed since it was taken."""
    price = body.get("price")
    return Listing(**{**body, "price": Price(Decimal(price["amount"]), price["currency"]) if price else None})


# Made once: to make them anew for each transaction costs SQLAlchemy more than to run them.
_NEW_DECISIONS = insert(decisions)
_NEW_CASES = insert(cases)
_DECISION = select(decisions, cases.c.case_id).outerjoin_from(decisions, cases, opened_with(decisions))
_TO_OVERRIDE = (
    _DECISION.where(decisions.c.decision_id.in_(bindparam("decision_ids", expanding=True)))
    .order_by(decisions.c.decision_id)
    .with_for_update(of=decisions, key_share=True)
)


def _overriding(old: Decision, outcome: Outcome, actor: str, now: datetime) -> Decision:
    return replace(
        old,
        decision_id=time_ordered_id(now),
        decided_at=now,
        assessment=replace(old.assessment, outcome=outcome),
        actor=actor,
        case_id=None,
        overrides=old.decision_id,
        repeated=False,
    )


def _blocked_by_override(
    connection: Connection, new: Sequence[Decision], rows: Sequence[Row[Any]], wanted: Mapping[str, Override]
) -> list[Blocked]:
    """Those of `new` that block; `rows` are the decisions that they override."""
    blocks = [(one, row) for one, row in zip(new, rows, strict=True) if one.outcome is Outcome.BLOCK]
    if not blocks:
        return []
    query = select(listings.c.digest, listings.c.body).where(
        listings.c.digest.in_({row.listing_digest for _, row in blocks})
    )
    bodies = {row.digest: row.body for row in connection.execute(query)}
    prints = {digest: fingerprint(view_listing(listing_from_body(body))) for digest, body in bodies.items()}
    return [
        Blocked(
            one,
            prints[row.listing_digest],
            wanted[row.decision_id].policies or policies_of_override(connection, _decision(row)),
        )
        for one, row in blocks
    ]


def _body_of(decision_id: str) -> Select[Any]:
    join = listings.join(decisions, decisions.c.listing_digest == listings.c.digest)
    return select(listings.c.body).select_from(join).where(decisions.c.decision_id == decision_id)


def _decision(row: Row[Any]) -> Decision:
    # A caller is told of the case of a listing under review only: the control sample stays unseen.
    return Decision(
        decision_id=row.decision_id,
        listing_id=row.listing_id,
        seller_id=row.seller_id,
        decided_at=datetime.fromisoformat(row.decided_at),
        assessment=assessment_from_body(row.assessment),
        actor=row.actor,
        case_id=row.case_id if row.outcome == Outcome.REVIEW else None,
        overrides=row.overrides,
        repeated=row.repeated,
        erased_at=datetime.fromisoformat(row.erased_at) if row.erased_at else None,
    )


def _take(kept: set[tuple[str, str]], submission: Submission) -> bool:
    """Whether the submission may be stored; a key serves one submission."""
    if submission.answer is None:
        return True
    taken = submission.answer.identity in kept
    kept.discard(submission.answer.identity)
    return taken


def _write_entries(connection: Connection, entries: Sequence[LedgerEntry]) -> None:
    if not entries:
        return
    taken = [_listing_row(entry) for entry in entries]
    # In one order everywhere, so that two writers never wait for each other's rows.
    connection.execute(insert_new(connection, listings), sorted(taken, key=_digest_of))
    pairs = zip(entries, taken, strict=True)
    connection.execute(_NEW_DECISIONS, [_decision_row(entry.decision, row["digest"]) for entry, row in pairs])
    if rows := [_case_row(entry.case, entry) for entry in entries if entry.case]:
        connection.execute(_NEW_CASES, rows)
    keep_prints(
        connection, [Blocked(e.decision, e.fingerprint) for e in entries if e.decision.outcome is Outcome.BLOCK]
    )
    write_events(connection, [event for entry in entries for event in entry.events])


def _listing_row(entry: LedgerEntry) -> dict[str, Any]:
    body = listing_body(entry.listing)
    return {
        "digest": digest_of_body(body),
        "listing_id": entry.listing.listing_id,
        "seller_id": entry.listing.seller_id,
        "body": body,
        "received_at": iso_utc(entry.decision.decided_at),
    }


def _digest_of(row: Mapping[str, Any]) -> str:
    return str(row["digest"])


def _decision_row(decision: Decision, digest: str) -> dict[str, Any]:
    return {
        "decision_id": decision.decision_id,
        "listing_id": decision.listing_id,
        "seller_id": decision.seller_id,
        "listing_digest": digest,
        "decided_at": iso_utc(decision.decided_at),
        "outcome": str(decision.outcome),
        "actor": decision.actor,
        "model_version": decision.assessment.versions.model,
        "policies_version": decision.assessment.versions.policies,
        "assessment": assessment_body(decision.assessment),
        "overrides": decision.overrides,
        "repeated": decision.repeated,
    }


def _case_row(case: NewCase, entry: LedgerEntry) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "decision_id": entry.decision.decision_id,
        "reason": str(case.reason),
        "policy": case.policy,
        "priority": case.priority,
        "opened_at": iso_utc(entry.decision.decided_at),
        "urgent_at": iso_utc(case.urgency.urgent_at),
        "due_at": iso_utc(case.urgency.due_at),
        "market": entry.listing.market or "",
    }
