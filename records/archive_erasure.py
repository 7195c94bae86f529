"""A seller's erasure in archived months: files that hold something of his are written anew without it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from fairstall.model.wire import iso_utc
from fairstall.records.archive import Archive
from fairstall.records.archive_tables import DECISIONS, REVIEWS, ArchiveTable, Values, with_listing
from fairstall.records.archiving import archived_months
from fairstall.records.engine import give_way, overwrite_what_is_deleted, take_keeping_turn, writing
from fairstall.records.erased_rows import Pseudonyms, erase_leaves, erased_body, erased_decision

ROWS_AT_ONCE = 500


class ErasableArchive:
    """The archive of one store."""

    def __init__(self, engine: Engine, archive: Archive) -> None:
        self._engine = engine
        self._archive = archive

    def count_seller(self, seller_id: str) -> int:
        """How many archived decisions are the seller's. Raises SetupError when a month is not at hand."""
        months = archived_months(self._engine)
        self._archive.need(months)
        return sum(len(self._archive.find(month, DECISIONS, "seller_id", [seller_id])) for month in months)

    def erase_seller(self, seller_id: str, names: Pseudonyms, now: datetime) -> None:
        """Replace what is the seller's in every month; scores and findings have nothing of him.

        Leaves come first: a file that still has him when this is interrupted is found when it is run again. For the
        same reason his decisions, by which he is found, are the last to be replaced.
        """
        with self._archive.locked():
            for month in archived_months(self._engine):
                ids = set(self._archive.find(month, DECISIONS, "seller_id", [seller_id]))
                if ids:
                    self._erase(month, ids, names, iso_utc(now))

    def _erase(self, month: str, ids: set[str], names: Pseudonyms, now: str) -> None:
        def decision(row: Values) -> Values:
            if row["decision_id"] not in ids:
                return row
            body = erased_body(row["listing"], names)
            return with_listing(row | erased_decision(row, body, names, now), body)

        def review(row: Values) -> Values:
            return row | {"note": "", "erased_at": now} if row["reviewed"] in ids and row["note"] else row

        self._erase_leaves([*ids, *self._noted(month, ids)], names)
        for table, erased in ((REVIEWS, review), (DECISIONS, decision)):
            self._rewrite(month, table, erased)

    def _noted(self, month: str, ids: set[str]) -> Iterator[str]:
        for row in self._archive.rows(month, REVIEWS):
            if row["reviewed"] in ids and row["note"]:
                yield row[REVIEWS.key]

    def _erase_leaves(self, row_ids: list[str], names: Pseudonyms) -> None:
        for start in range(0, len(row_ids), ROWS_AT_ONCE):
            with writing(self._engine) as connection:
                overwrite_what_is_deleted(connection)
                take_keeping_turn(connection)
                erase_leaves(connection, row_ids[start : start + ROWS_AT_ONCE], names)
            give_way(self._engine)

    def _rewrite(self, month: str, table: ArchiveTable, erased: Callable[[Values], Mapping[str, Any]]) -> None:
        self._archive.stage_one(month, table, map(erased, self._archive.rows(month, table)))
        self._archive.publish(month, [table])
