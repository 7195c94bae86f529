"""Erasing a seller's data on request: begun, done page by page, finished with an act in the audit chain.

What replaces the data in each table is `erased_rows`'. Outcomes, policies, scores, versions and times stay. An
interrupted erasure goes on where it was when it is asked for again.
"""

import getpass
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, delete, func, insert, select

from fairstall.model.errors import NotFound
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.engine import (
    empty_log,
    give_way,
    overwrite_what_is_deleted,
    reading,
    take_keeping_turn,
    writing,
)
from fairstall.records.erased_rows import Pseudonyms, close_cases, erase_decisions, forget_answers, lock_listings
from fairstall.records.seals import add_act, seal_all
from fairstall.records.tables import audit_leaves, cases, decisions, erasures, listings, reviews

DECISIONS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Held:
    """What is stored of one seller and not erased, here or `archived`."""

    listings: int
    decisions: int
    reviews: int
    open_cases: int
    archived: int

    @property
    def nothing(self) -> bool:
        return not any(asdict(self).values())


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure came to: rows that are erased, of which `sealed` had a leaf in the chain."""

    erasure_id: str
    pseudonym: str
    decisions: int
    reviews: int
    sealed: int


class SellerArchive(Protocol):
    """The archived months of a store. `ErasableArchive` is one."""

    def count_seller(self, seller_id: str) -> int:
        """How many archived decisions are the seller's. Raises SetupError when a month is not at hand."""
        ...

    def erase_seller(self, seller_id: str, names: Pseudonyms, now: datetime) -> None:
        """Replace what is the seller's in every month."""
        ...


class Erasure:
    """The erasure of one seller in one store."""

    def __init__(
        self, engine: Engine, seller_id: str, clock: Callable[[], datetime], archive: SellerArchive | None = None
    ) -> None:
        self._engine = engine
        self._seller_id = seller_id
        self._clock = clock
        self._archive = archive

    def held(self) -> Held:
        """What there is to erase; nothing is changed."""
        mine = (decisions.c.seller_id == self._seller_id, decisions.c.erased_at.is_(None))
        of_mine = cases.join(decisions, cases.c.decision_id == decisions.c.decision_id)
        noted = reviews.join(of_mine, reviews.c.case_id == cases.c.case_id)
        with reading(self._engine) as connection:
            return Held(
                listings=_count(connection, func.count(decisions.c.listing_digest.distinct()), decisions, *mine),
                decisions=_count(connection, func.count(), decisions, *mine),
                reviews=_count(connection, func.count(), noted, *mine, reviews.c.note != ""),
                open_cases=_count(connection, func.count(), of_mine, *mine, cases.c.state == "open"),
                archived=self._archive.count_seller(self._seller_id) if self._archive else 0,
            )

    def run(self, *, actor: str, reason: str, advance: Callable[[int], None] = lambda _rows: None) -> Erased:
        """Erase it all. `advance` is told how many more decisions are erased.

        Listings of the seller may be scored meanwhile. Raises NotFound when nothing of the seller is stored,
        SetupError when an archived month is not at hand, and StoreUnavailable, after which it may be run again.
        """
        held = self.held()
        seal_all(self._engine, self._clock)
        names = self._begin(actor, reason, held)
        while (count := self._page(names)) >= DECISIONS_AT_ONCE:
            advance(count)
            give_way(self._engine)
        advance(count)
        if self._archive and held.archived:
            self._archive.erase_seller(self._seller_id, names, self._clock())
        forget_answers(self._engine)
        erased = self._finish(names)
        seal_all(self._engine, self._clock)
        empty_log(self._engine)
        return erased

    def _begin(self, actor: str, reason: str, held: Held) -> Pseudonyms:
        now = self._clock()
        begun = select(erasures).where(erasures.c.seller_id == self._seller_id)
        with writing(self._engine) as connection:
            row = connection.execute(begun).one_or_none()
            if row is None:
                if held.nothing:
                    raise NotFound(f"nothing is stored of the seller {self._seller_id!r}")
                connection.execute(insert(erasures), [_new_erasure(self._seller_id, actor, reason, now)])
                row = connection.execute(begun).one()
        return Pseudonyms(row.erasure_id, row.pseudonym, row.secret)

    def _page(self, names: Pseudonyms) -> int:
        """Erase some of the seller's listings with all their decisions; how many decisions that were.

        Fewer than asked for are all that there were: a seller who goes on uploading does not make it endless.
        """
        now = iso_utc(self._clock())
        mine = (decisions.c.seller_id == self._seller_id, decisions.c.erased_at.is_(None))
        some = select(decisions.c.listing_digest).where(*mine).order_by(decisions.c.decided_at).limit(DECISIONS_AT_ONCE)
        with writing(self._engine) as connection:
            overwrite_what_is_deleted(connection)
            take_keeping_turn(connection)
            lock_listings(connection)
            digests = sorted(set(connection.execute(some).scalars()))
            close_cases(connection, digests)
            count = 0
            while rows := erase_decisions(connection, digests, names, now):  # a moderator may have overridden one
                count += rows
            connection.execute(delete(listings).where(listings.c.digest.in_(digests)))
        return count

    def _finish(self, names: Pseudonyms) -> Erased:
        now = self._clock()
        with writing(self._engine) as connection:
            overwrite_what_is_deleted(connection)
            take_keeping_turn(connection)
            erased = _counted(connection, names)
            row = connection.execute(select(erasures).where(erasures.c.erasure_id == names.erasure_id)).one()
            body = asdict(erased) | {"reason": row.reason, "begun_at": row.begun_at}
            del body["erasure_id"]
            add_act(connection, "erasure", row.actor, body, now, act_id=names.erasure_id)
            connection.execute(delete(erasures).where(erasures.c.erasure_id == names.erasure_id))
        return erased


def operator() -> str:
    """Who runs this command, as acts name him."""
    return f"operator:{getpass.getuser()}"


def _new_erasure(seller_id: str, actor: str, reason: str, now: datetime) -> dict[str, Any]:
    return {
        "erasure_id": time_ordered_id(now),
        "seller_id": seller_id,
        "pseudonym": f"erased-{secrets.token_hex(16)}",
        "secret": secrets.token_bytes(32),
        "reason": reason,
        "actor": actor,
        "begun_at": iso_utc(now),
    }


def _counted(connection: Connection, names: Pseudonyms) -> Erased:
    mine = decisions.c.seller_id == names.seller
    noted = reviews.join(cases, reviews.c.case_id == cases.c.case_id)
    noted = noted.join(decisions, cases.c.decision_id == decisions.c.decision_id)
    leaf = audit_leaves.c
    by_this = (leaf.erased_by == names.erasure_id,)
    away = (*by_this, leaf.archived.is_not(None))
    return Erased(
        erasure_id=names.erasure_id,
        pseudonym=names.seller,
        decisions=_count(connection, func.count(), decisions, mine)
        + _count(connection, func.count(), audit_leaves, *away, leaf.kind == "decision"),
        reviews=_count(connection, func.count(), noted, mine, reviews.c.erased_at.is_not(None))
        + _count(connection, func.count(), audit_leaves, *away, leaf.kind == "review"),
        sealed=_count(connection, func.count(), audit_leaves, *by_this),
    )


def _count(connection: Connection, counted: Any, source: Any, *conditions: Any) -> int:
    found: int = connection.execute(select(counted).select_from(source).where(*conditions)).scalar_one()
    return found
