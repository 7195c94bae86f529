"""Decisions that two people disagreed on, what is said of them in a calibration session, and what becomes of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import yaml
from sqlalchemy import Connection, Engine, Row, Select, exists, func, insert, select

from fairstall.labeling.accounts import User
from fairstall.labeling.case_file import Opinion, heading_of, opinions_of
from fairstall.labeling.claims import standing_review
from fairstall.labeling.golden import root_of
from fairstall.labeling.settling import SETTLING
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.errors import Conflict, InputError, NotFound
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.tables import calibration_entries, decisions, disagreements, golden_items, listings, users

DISAGREEMENTS_SHOWN = 50
MAX_TITLE_CHARACTERS = 200  # of an example, as policy files have it


class EntryKind(StrEnum):
    COMMENT = "comment"
    VERDICT = "verdict"  # what a session came to
    EXAMPLE = "example"  # for the guideline of a policy


@dataclass(frozen=True, slots=True)
class Entry:
    """Something said of a disagreement. An example has a `title`, and one policy; its `text` says why."""

    kind: EntryKind
    by: str
    verdict: ReviewVerdict | None
    policies: tuple[str, ...]
    title: str
    text: str
    written_at: datetime
    erased_at: datetime | None

    @property
    def snippet(self) -> str:
        """The example as it stands in a policy file, which has three of each kind; what cannot be seen is escaped."""
        body = [{"title": self.title, "why": self.text}]
        seen = f"{self.title}{self.text}".isprintable()
        lines = yaml.safe_dump(body, sort_keys=False, allow_unicode=seen, width=100).splitlines()
        place = "violations" if self.verdict is ReviewVerdict.VIOLATION else "look_alikes"
        return "\n".join([f"    {place}:", *(f"      {line}" for line in lines)])


@dataclass(frozen=True, slots=True)
class Disagreement:
    """`opinions`: what the two said, in an order that tells nothing. `settled`: what a senior said, None before.

    `concluded` and `golden`: whether a session came to a verdict, and whether it is a golden item in use.
    """

    decision_id: str
    heading: str
    description: str
    found_at: datetime
    erased_at: datetime | None
    opinions: tuple[Opinion, ...]
    settled: Opinion | None
    said: int
    concluded: bool
    golden: bool


@dataclass(frozen=True, slots=True)
class Session:
    """One disagreement with all that was said of it, the oldest first."""

    about: Disagreement
    entries: tuple[Entry, ...]

    @property
    def agreed(self) -> Entry | None:
        """The verdict that the session came to last."""
        verdicts = [entry for entry in self.entries if entry.kind is EntryKind.VERDICT]
        return verdicts[-1] if verdicts else None


class Calibration:
    """The disagreements of one store."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def newest(self, *, before: str | None = None) -> tuple[Disagreement, ...]:
        """The newest 50 disagreements, or those found before that moment."""
        query = _DISAGREEMENTS.order_by(disagreements.c.found_at.desc()).limit(DISAGREEMENTS_SHOWN)
        if before is not None:
            query = query.where(disagreements.c.found_at < before)
        with reading(self._engine) as connection:
            return tuple(_disagreement(connection, row) for row in connection.execute(query).all())

    def session(self, decision_id: str) -> Session:
        """A disagreement by its decision, any of the chain. Raises NotFound."""
        with reading(self._engine) as connection:
            root = root_of(connection, decision_id)
            about = _disagreement(connection, _found(connection, root))
            query = (
                select(calibration_entries, users.c.name)
                .join(users, calibration_entries.c.user_id == users.c.user_id)
                .where(calibration_entries.c.decision_id == root)
                .order_by(calibration_entries.c.written_at, calibration_entries.c.entry_id)
            )
            return Session(about, tuple(_entry(row) for row in connection.execute(query)))

    def comment(self, decision_id: str, user: User, text: str) -> None:
        """Raises InputError without a text, NotFound, and Conflict when the listing was erased."""
        if not text.strip():
            raise InputError("Write something first.")
        self._add(decision_id, user, EntryKind.COMMENT, text=text)

    def conclude(
        self, decision_id: str, user: User, verdict: ReviewVerdict, policies: Sequence[str], text: str
    ) -> None:
        """Note what the session came to; the outcome in force stays. Raises InputError, NotFound and Conflict."""
        if bool(policies) != (verdict is ReviewVerdict.VIOLATION):
            raise InputError("A violation names its policies, and a compliant listing names none.")
        self._add(decision_id, user, EntryKind.VERDICT, verdict=verdict, policies=policies, text=text)

    def add_example(
        self, decision_id: str, user: User, verdict: ReviewVerdict, policy: str, *, title: str, why: str
    ) -> None:
        """Keep an example for a policy's guideline, of what violates it or of what only looks like it.

        Raises InputError without a title or a reason or for one that is too long, NotFound and Conflict.
        """
        for name, text in (("title", title), ("why", why)):
            if not 0 < len(text.strip()) <= MAX_TITLE_CHARACTERS:
                raise InputError(f"The {name} of an example has 1 to {MAX_TITLE_CHARACTERS} characters.")
        one_line = [" ".join(text.split()) for text in (title, why)]
        values = dict(zip(("title", "text"), one_line, strict=True))
        self._add(decision_id, user, EntryKind.EXAMPLE, verdict=verdict, policies=[policy], **values)

    def _add(
        self,
        decision_id: str,
        user: User,
        kind: EntryKind,
        *,
        verdict: ReviewVerdict | None = None,
        policies: Sequence[str] = (),
        title: str = "",
        text: str,
    ) -> None:
        now = self._clock()
        with writing(self._engine) as connection:
            found = _found(connection, root_of(connection, decision_id))
            if found.erased_at:
                raise Conflict("The seller's data were erased: nothing more can be said of this listing.")
            values = {
                "entry_id": time_ordered_id(now),
                "decision_id": found.decision_id,
                "user_id": user.user_id,
                "kind": str(kind),
                "verdict": str(verdict) if verdict else None,
                "policies": list(policies),
                "title": title,
                "text": text.strip(),
                "written_at": iso_utc(now),
            }
            connection.execute(insert(calibration_entries).values(values))


def _of_decision(table: Any) -> Select[Any]:
    return select(func.count()).select_from(table).where(table.c.decision_id == disagreements.c.decision_id)


_DISAGREEMENTS = (
    select(
        disagreements,
        decisions.c.erased_at,
        listings.c.body,
        _of_decision(calibration_entries).scalar_subquery().label("said"),
        _of_decision(calibration_entries)
        .where(calibration_entries.c.kind == str(EntryKind.VERDICT))
        .scalar_subquery()
        .label("concluded"),
        exists()
        .where(golden_items.c.decision_id == disagreements.c.decision_id, golden_items.c.retired_at.is_(None))
        .label("golden"),
    )
    .join(decisions, disagreements.c.decision_id == decisions.c.decision_id)
    .join(listings, decisions.c.listing_digest == listings.c.digest)
)


def _found(connection: Connection, decision_id: str) -> Row[Any]:
    newest = _DISAGREEMENTS.where(disagreements.c.decision_id == decision_id)
    row = connection.execute(newest.order_by(disagreements.c.found_at.desc()).limit(1)).one_or_none()
    if row is None:
        raise NotFound("Nobody disagrees about this decision.")
    return row


def _disagreement(connection: Connection, row: Row[Any]) -> Disagreement:
    settled = standing_review(connection, row.decision_id, SETTLING)
    return Disagreement(
        decision_id=row.decision_id,
        heading=heading_of(row.body),
        description=str(row.body["description"]),
        found_at=datetime.fromisoformat(row.found_at),
        erased_at=datetime.fromisoformat(row.erased_at) if row.erased_at else None,
        opinions=opinions_of(connection, row.case_id),
        settled=Opinion(settled.verdict, tuple(settled.policies), settled.note) if settled else None,
        said=row.said,
        concluded=row.concluded > 0,
        golden=bool(row.golden),
    )


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        kind=EntryKind(row.kind),
        by=row.name,
        verdict=ReviewVerdict(row.verdict) if row.verdict else None,
        policies=tuple(row.policies),
        title=row.title,
        text=row.text,
        written_at=datetime.fromisoformat(row.written_at),
        erased_at=datetime.fromisoformat(row.erased_at) if row.erased_at else None,
    )
