"""Taking out of the database what is in an archive's files, a few rows in a transaction. Nothing else is deleted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection, Engine, delete, exists, select, update

from fairstall.records.archivable import Cut, archivable
from fairstall.records.archive import Archive
from fairstall.records.archive_tables import DECISIONS, REVIEWS, ArchiveTable
from fairstall.records.case_evidence import drop_evidence
from fairstall.records.engine import give_way, reading, take_keeping_turn, writing
from fairstall.records.erased_rows import lock_listings
from fairstall.records.months import month_of
from fairstall.records.outbox import events_of
from fairstall.records.tables import (
    audit_leaves,
    blocked_prints,
    calibration_entries,
    case_steps,
    cases,
    decisions,
    deliveries,
    disagreements,
    events,
    golden_cases,
    golden_items,
    listings,
    reviews,
    shadow_disagreements,
)

DECISIONS_AT_ONCE = 100

Item = TypeVar("Item")


def delete_month(engine: Engine, archive: Archive, month: str, cut: Cut, advance: Callable[[int], None]) -> None:
    """Delete the decisions that the month's file has and that may still go; `advance` is told how many more."""
    for some in batches(archive.ids(month, DECISIONS), DECISIONS_AT_ONCE):
        with writing(engine) as connection:
            take_keeping_turn(connection)
            going = _whole(connection, archive, archivable(connection, some, cut))
            delete_decisions(connection, going)
        advance(len(going))
        give_way(engine)


def delete_decisions(connection: Connection, archived: Mapping[str, str]) -> None:
    """Delete decisions, with the month of each, and all that hangs on them; their leaves tell where they are."""
    ids = sorted(archived)
    its_reviews = _reviews_of(connection, ids)
    months = {**archived, **{review_id: archived[decision_id] for review_id, decision_id in its_reviews.items()}}
    for month in sorted(set(months.values())):
        mine = audit_leaves.c.row_id.in_([row_id for row_id, its_month in months.items() if its_month == month])
        connection.execute(update(audit_leaves).where(mine).values(archived=month))
    its_cases = select(cases.c.case_id).where(cases.c.decision_id.in_(ids))
    for of_case in (case_steps.c.case_id, golden_cases.c.case_id, disagreements.c.case_id):
        connection.execute(delete(of_case.table).where(of_case.in_(its_cases)))
    drop_evidence(connection, ids)
    told = [event.event_id for event in events_of(connection, ids)]
    for column, values in (
        (deliveries.c.event_id, told),
        (events.c.event_id, told),
        (shadow_disagreements.c.decision_id, ids),
        (blocked_prints.c.decision_id, ids),
        (calibration_entries.c.decision_id, ids),
        (golden_items.c.decision_id, ids),
        (reviews.c.review_id, sorted(its_reviews)),
        (cases.c.decision_id, ids),
        (decisions.c.decision_id, ids),
    ):
        connection.execute(delete(column.table).where(column.in_(values)))


def drop_listings(engine: Engine) -> None:
    """Delete listings that no decision names any more."""
    digest, last = listings.c.digest, ""
    unnamed = ~exists().where(decisions.c.listing_digest == digest)
    while True:
        page = select(digest).where(unnamed, digest > last).order_by(digest).limit(DECISIONS_AT_ONCE)
        with reading(engine) as connection:
            found = connection.execute(page).scalars().all()
        if not found:
            return
        with writing(engine) as connection:
            take_keeping_turn(connection)
            lock_listings(connection)
            connection.execute(delete(listings).where(digest.in_(found), unnamed))
        last = found[-1]
        give_way(engine)


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _whole(connection: Connection, archive: Archive, free: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """The members of those chains that are in files as a whole with all their reviews, and the month of each."""
    month = {member: month_of(member) for chain in free.values() for member in chain}
    filed = _filed(archive, DECISIONS, month)
    its_reviews = _reviews_of(connection, list(month))
    reviewed = _filed(archive, REVIEWS, {one: month[decision_id] for one, decision_id in its_reviews.items()})
    missing = {member for member in month if member not in filed}
    missing |= {decision_id for one, decision_id in its_reviews.items() if one not in reviewed}
    return {member: month[member] for chain in free.values() if not chain & missing for member in chain}


def _filed(archive: Archive, table: ArchiveTable, month: Mapping[str, str]) -> set[str]:
    """Which rows are in the files of their months."""
    return {
        found
        for its_month in set(month.values())
        for found in archive.find(its_month, table, table.key, [one for one in month if month[one] == its_month])
    }


def _reviews_of(connection: Connection, decision_ids: list[str]) -> dict[str, str]:
    """Reviews of these decisions, and the decision of each."""
    query = select(reviews.c.review_id, cases.c.decision_id).join(cases, reviews.c.case_id == cases.c.case_id)
    rows = connection.execute(query.where(cases.c.decision_id.in_(decision_ids)))
    return {row.review_id: row.decision_id for row in rows}
