"""What takes the place of a seller's data, table by table. Each verb works inside the caller's transaction."""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    Select,
    bindparam,
    delete,
    func,
    select,
    text,
    tuple_,
    update,
)

from fairstall.records.case_evidence import drop_evidence
from fairstall.records.engine import overwrite_what_is_deleted, reading, writing
from fairstall.records.idempotency import insert_new
from fairstall.records.leaves import digest_of_body, without_text
from fairstall.records.outbox import events_of
from fairstall.records.tables import (
    audit_leaves,
    blocked_prints,
    calibration_entries,
    case_steps,
    cases,
    decisions,
    events,
    golden_items,
    idempotency_keys,
    listings,
    reviews,
    shadow_disagreements,
)

ANSWERS_AT_ONCE = 100
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """One erasure's names for a seller and his listings. Nobody can link them to him once the secret is gone."""

    erasure_id: str
    seller: str
    secret: bytes

    def listing(self, listing_id: str) -> str:
        """The same for the same listing."""
        return f"erased-{hmac.new(self.secret, listing_id.encode(), 'sha256').hexdigest()[:32]}"


def lock_listings(connection: Connection) -> None:
    """Keep others from storing listings until this transaction ends, so that no decision names one that is going.

    SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE listings IN SHARE ROW EXCLUSIVE MODE"))


def close_cases(connection: Connection, digests: Sequence[str]) -> None:
    """There is nothing left to look at: open cases are closed without a review, whoever holds them, and no case names
    the market of its listing any more.

    The decisions are locked first, the oldest first, as whoever reviews them does.
    """
    mine = select(decisions.c.decision_id).where(decisions.c.listing_digest.in_(digests))
    locked = mine.order_by(decisions.c.decision_id).with_for_update(key_share=True)
    ids = connection.execute(locked).scalars().all()
    its_cases = update(cases).where(cases.c.decision_id.in_(ids))
    connection.execute(its_cases.values(market=None))
    still_open = its_cases.where(cases.c.state == "open")
    connection.execute(still_open.values(state="decided", lease_holder=None, lease_until=None))


def erase_decisions(connection: Connection, digests: Sequence[str], names: Pseudonyms, now: str) -> int:
    """Erase all decisions on these listings, and what hangs on them. How many decisions that were."""
    query: Select[Any] = select(decisions, listings.c.body, listings.c.received_at)
    query = query.join(listings, decisions.c.listing_digest == listings.c.digest)
    query = query.where(decisions.c.listing_digest.in_(digests)).with_for_update(of=decisions, key_share=True)
    rows = connection.execute(query).all()
    if not rows:
        return 0
    ids = [row.decision_id for row in rows]
    _erase_rows(connection, rows, names, now)
    noted = _erase_notes(connection, ids, now)
    _erase_calibration(connection, ids, now)
    erase_leaves(connection, [*ids, *noted], names)
    _withdraw_prints(connection, rows, names, now)
    _erase_disagreements(connection, ids)
    drop_evidence(connection, ids)
    _erase_events(connection, ids, names)
    return len(rows)


def erase_leaves(connection: Connection, row_ids: Sequence[str], names: Pseudonyms) -> None:
    """Without their salts the commitments of these rows say nothing of what was erased. An earlier erasure stays."""
    mine = update(audit_leaves).where(audit_leaves.c.row_id.in_(row_ids), audit_leaves.c.erased_by.is_(None))
    connection.execute(mine.values(salt=None, erased_by=names.erasure_id))


def erased_body(body: Mapping[str, Any], names: Pseudonyms) -> dict[str, Any]:
    """A listing without its text: of what the seller wrote, the language alone stays."""
    ids = {"listing_id": names.listing(body["listing_id"]), "seller_id": names.seller}
    kept = {"language": body["language"]} if "language" in body else {}
    return ids | {"title": "", "description": ""} | kept


def erased_decision(row: Mapping[str, Any], body: Mapping[str, Any], names: Pseudonyms, now: str) -> dict[str, Any]:
    """The values that change in a row of `decisions` whose listing is `body` now."""
    return {
        "seller_id": names.seller,
        "listing_id": names.listing(row["listing_id"]),
        "listing_digest": digest_of_body(body),
        "assessment": without_text(row["assessment"]),
        "erased_at": now,
    }


def forget_answers(engine: Engine) -> None:
    """Delete the answers kept under idempotency keys that name an erased decision: a repeat is decided anew.

    An answer to a batch goes as a whole.
    """
    key = (idempotency_keys.c.api_key_id, idempotency_keys.c.idempotency_key)
    query = select(*key, idempotency_keys.c.answer).order_by(*key).limit(ANSWERS_AT_ONCE)
    page = _answers(engine, query)
    while page:
        _forget_some(engine, page)
        last = page[-1]
        page = _answers(engine, query.where(tuple_(*key) > (last.api_key_id, last.idempotency_key)))


def _answers(engine: Engine, query: Select[Any]) -> Sequence[Row[Any]]:
    with reading(engine) as connection:
        return connection.execute(query).all()


def _forget_some(engine: Engine, page: Sequence[Row[Any]]) -> None:
    named = {(row.api_key_id, row.idempotency_key): {id.decode() for id in _UUID.findall(row.answer)} for row in page}
    erased = select(decisions.c.decision_id).where(
        decisions.c.decision_id.in_({one for ids in named.values() for one in ids}), decisions.c.erased_at.is_not(None)
    )
    with writing(engine) as connection:
        overwrite_what_is_deleted(connection)
        gone = set(connection.execute(erased).scalars())
        for (api_key_id, key), ids in named.items():
            if ids & gone:
                mine = (idempotency_keys.c.api_key_id == api_key_id, idempotency_keys.c.idempotency_key == key)
                connection.execute(delete(idempotency_keys).where(*mine))


def _erase_rows(connection: Connection, rows: Sequence[Row[Any]], names: Pseudonyms, now: str) -> None:
    bodies = [erased_body(row.body, names) for row in rows]
    new = {
        digest_of_body(body): {
            "digest": digest_of_body(body),
            "listing_id": body["listing_id"],
            "seller_id": body["seller_id"],
            "body": body,
            "received_at": row.received_at,
            "erased_at": now,
        }
        for row, body in zip(rows, bodies, strict=True)
    }
    connection.execute(insert_new(connection, listings), list(new.values()))
    changes = [
        erased_decision(dict(row._mapping), body, names, now) | {"of": row.decision_id}
        for row, body in zip(rows, bodies, strict=True)
    ]
    _update_each(connection, decisions, decisions.c.decision_id, changes)


def _erase_notes(connection: Connection, ids: Sequence[str], now: str) -> Sequence[str]:
    """The reviews whose note was erased: it may quote the listing."""
    mine = select(cases.c.case_id).where(cases.c.decision_id.in_(ids))
    connection.execute(update(case_steps).where(case_steps.c.case_id.in_(mine)).values(note=""))
    noted = update(reviews).where(reviews.c.case_id.in_(mine), reviews.c.note != "")
    return connection.execute(noted.values(note="", erased_at=now).returning(reviews.c.review_id)).scalars().all()


def _erase_calibration(connection: Connection, ids: Sequence[str], now: str) -> None:
    """What was said of these decisions may quote the listing, and nobody can be tried on a listing without a text."""
    entries, golden = calibration_entries.c, golden_items.c
    said = update(calibration_entries).where(entries.decision_id.in_(ids), entries.erased_at.is_(None))
    connection.execute(said.values(title="", text="", erased_at=now))
    mine = update(golden_items).where(golden.decision_id.in_(ids))
    connection.execute(mine.values(why="", retired_at=func.coalesce(golden.retired_at, now)))


def _withdraw_prints(connection: Connection, rows: Sequence[Row[Any]], names: Pseudonyms, now: str) -> None:
    """A fingerprint is made of the text: running servers take its withdrawal up, and compare with it no more."""
    changes = [
        {"of": row.decision_id, "listing_id": names.listing(row.listing_id), "print": b"", "withdrawn": True}
        | {"changed_at": now}
        for row in rows
    ]
    _update_each(connection, blocked_prints, blocked_prints.c.decision_id, changes)


def _erase_disagreements(connection: Connection, ids: Sequence[str]) -> None:
    table = shadow_disagreements.c
    rows = connection.execute(select(shadow_disagreements).where(table.decision_id.in_(ids))).all()
    for row in rows:
        mine = update(shadow_disagreements).where(
            table.shadow_version == row.shadow_version, table.decision_id == row.decision_id
        )
        connection.execute(mine.values(assessment=without_text(row.assessment)))


def _erase_events(connection: Connection, ids: Sequence[str], names: Pseudonyms) -> None:
    """What waits to be delivered goes on, and names the decision alone."""
    changes = [
        {"of": event.event_id, "body": {**event.body, "listing_id": names.listing(event.body["listing_id"])}}
        for event in events_of(connection, ids)
    ]
    _update_each(connection, events, events.c.event_id, changes)


def _update_each(connection: Connection, table: Any, key: Any, changes: Sequence[Mapping[str, Any]]) -> None:
    """One row for each change, which says in `of` whose it is."""
    if changes:
        values: dict[str, Any] = {name: bindparam(name) for name in changes[0] if name != "of"}
        connection.execute(update(table).where(key == bindparam("of")).values(values), list(changes))
