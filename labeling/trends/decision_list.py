"""The ledger as a list, newest first: all of it, or what a number counts."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, exists, select

from fairstall.labeling.accounts import User
from fairstall.labeling.case_file import heading_of
from fairstall.labeling.search import listings_in_hand
from fairstall.labeling.trends.again import read_looked_at
from fairstall.labeling.trends.conditions import about_market, made_in
from fairstall.labeling.trends.figures import address
from fairstall.labeling.trends.scope import Scope, check_query, moment_of_query
from fairstall.model.decide import Outcome
from fairstall.model.decision import MODEL_ACTOR
from fairstall.model.errors import InputError
from fairstall.records.engine import reading
from fairstall.records.tables import decisions, listings
from fairstall.records.tallies import names_policy

DECISIONS_SHOWN = 50
MODEL, PEOPLE = "model", "people"
_THE_MODEL = "the model"
LOOKED_AT, OVERTURNED = "looked_at", "overturned"
BEGINNING, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One row of the ledger. `replaces` is the outcome that it overrode; `in_force` says that nothing overrides it."""

    decision_id: str
    heading: str
    outcome: Outcome
    by: str
    decided_at: datetime
    replaces: Outcome | None
    in_force: bool

    @property
    def by_person(self) -> bool:
        return self.by != _THE_MODEL


@dataclass(frozen=True, slots=True)
class WantedDecisions:
    """Which rows to list, as the query of an address has it; everything is optional.

    `by`: `model`, `people` or a person's name. `from` and `to`: from then on, and before then. `policy`: with a finding
    on it. `again`: decisions of the model alone that people `looked_at` again, or that they `overturned`; `policy` then
    is what was blocked for. `before`: rows before the one with this id.
    """

    outcome: str = ""
    by: str = ""
    policy: str = ""
    market: str = ""
    since: str = ""
    until: str = ""
    again: str = ""
    before: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "WantedDecisions":
        """Raises InputError for an outcome or a time that is none."""
        check_query(query)
        named = {field.name: query.get(_NAMES.get(field.name, field.name), "") for field in fields(cls)}
        wanted = cls(**named)
        if wanted.outcome not in ("", *Outcome):
            raise InputError(f"There is no outcome '{wanted.outcome[:20]}': it is one of {', '.join(Outcome)}.")
        if wanted.again not in ("", LOOKED_AT, OVERTURNED):
            raise InputError(f"'{wanted.again[:20]}' is neither {LOOKED_AT} nor {OVERTURNED}.")
        _ = wanted.scope
        return wanted

    @property
    def scope(self) -> Scope:
        since, until = moment_of_query(self.since, BEGINNING), moment_of_query(self.until, END)
        return Scope(since, until, self.market or None, self.policy or None)

    @property
    def words(self) -> tuple[str, ...]:
        """What they are narrowed to, for people."""
        named = (
            ("the outcome is", self.outcome),
            ("by", {MODEL: "the model", PEOPLE: "people"}.get(self.by, self.by)),
            ("policy", self.policy),
            ("market", self.market),
            ("from", self.since),
            ("before", self.until),
            ("that people have", {LOOKED_AT: "looked at again", OVERTURNED: "overturned"}.get(self.again, "")),
        )
        return tuple(f"{word} {value}" for word, value in named if value)

    def older_than(self, decision_id: str) -> str:
        """The address of the next part of the list."""
        older = replace(self, before=decision_id)
        values = {_NAMES.get(field.name, field.name): getattr(older, field.name) or None for field in fields(self)}
        return address("/decisions", **values)


def read_decisions(engine: Engine, reader: User, wanted: WantedDecisions) -> tuple[LedgerLine, ...]:
    """At most 50 rows of what is wanted, newest first.

    Those about listings that the reader has in hand are left out: he decides without knowing what others decided.
    """
    newer, replaced = decisions.alias("newer"), decisions.alias("replaced")
    overridden = exists().where(newer.c.overrides == decisions.c.decision_id)
    query = (
        select(decisions, listings.c.body, replaced.c.outcome.label("replaces"), overridden.label("overridden"))
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .outerjoin(replaced, decisions.c.overrides == replaced.c.decision_id)
        .where(decisions.c.listing_id.not_in(listings_in_hand(reader)))
        .order_by(decisions.c.decision_id.desc())
        .limit(DECISIONS_SHOWN)
    )
    with reading(engine) as connection:
        return tuple(_ledger_line(row) for row in connection.execute(_narrow(connection, query, wanted)))


def _narrow(connection: Connection, query: Select[Any], wanted: WantedDecisions) -> Select[Any]:
    if wanted.again:
        return query.where(decisions.c.decision_id.in_(_again(connection, wanted)))
    if wanted.before:
        query = query.where(decisions.c.decision_id < wanted.before)
    scope = wanted.scope
    if scope.since > BEGINNING or scope.until < END:
        query = query.where(made_in(decisions.c.decision_id, scope))
    if wanted.outcome:
        query = query.where(decisions.c.outcome == wanted.outcome)
    if wanted.by:
        query = query.where(_by(wanted.by))
    if wanted.policy:
        query = query.where(names_policy(connection, wanted.policy))
    return query.where(about_market(decisions.c.decision_id, scope.market))


def _again(connection: Connection, wanted: WantedDecisions) -> list[str]:
    """The ids of the part of the list that is shown."""
    overturned = wanted.again == OVERTURNED
    found = [
        one.decision_id
        for one in read_looked_at(connection, wanted.scope)
        if (one.overturned or not overturned) and wanted.outcome in ("", str(one.outcome))
        if not wanted.before or one.decision_id < wanted.before
    ]
    return found[-DECISIONS_SHOWN:]


def _by(whom: str) -> ColumnElement[bool]:
    if whom == MODEL:
        return decisions.c.actor == MODEL_ACTOR
    return decisions.c.actor != MODEL_ACTOR if whom == PEOPLE else decisions.c.actor == f"user:{whom}"


def _ledger_line(row: Row[Any]) -> LedgerLine:
    return LedgerLine(
        decision_id=row.decision_id,
        heading=heading_of(row.body),
        outcome=Outcome(row.outcome),
        by=_THE_MODEL if row.actor == MODEL_ACTOR else row.actor.removeprefix("user:"),
        decided_at=datetime.fromisoformat(row.decided_at),
        replaces=Outcome(row.replaces) if row.replaces else None,
        in_force=not row.overridden,
    )


_NAMES = {"since": "from", "until": "to"}
