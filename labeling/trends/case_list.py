"""Cases as a list, newest first: what a number of the trends counts."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, literal_column, or_, select

from fairstall.labeling.accounts import User
from fairstall.labeling.case_file import heading_of, shown_reason
from fairstall.labeling.search import listings_in_hand
from fairstall.labeling.trends.conditions import case_of_market, case_shows
from fairstall.labeling.trends.decision_list import BEGINNING, END
from fairstall.labeling.trends.figures import address
from fairstall.labeling.trends.sample import read_drawn
from fairstall.labeling.trends.scope import Scope, check_query, moment_of_query
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.decide import Outcome
from fairstall.model.errors import InputError
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading
from fairstall.records.history import not_taken_back
from fairstall.records.ledger import BLIND_REASONS, CaseReason
from fairstall.records.tables import cases, decisions, listings, reviews, users

CASES_SHOWN = 50
NO_POLICY, LANES_OF_PEOPLE = "none", "user:"
_NAMES = {"since": "from", "until": "to"}
_CHOICES = {
    "state": ("open", "decided"),
    "verdict": (str(ReviewVerdict.VIOLATION), str(ReviewVerdict.COMPLIANT)),
    "sample": (str(Outcome.APPROVE), str(Outcome.BLOCK)),
    "hit": ("yes",),
}
_TIMES = ("opened_from", "opened_to", "due_from", "due_to", "reviewed_from", "reviewed_to", "since", "until")


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One case. Of a blind one that is open nothing is told but that it is one; `verdict` is of the review that
    stands.
    """

    case_id: str
    heading: str
    reason: CaseReason
    policy: str | None
    opened_at: datetime
    due_at: datetime | None
    verdict: ReviewVerdict | None
    violated: tuple[str, ...]
    by: str | None


@dataclass(frozen=True, slots=True)
class WantedCases:
    """Which cases to list, as the query of an address has it; everything is optional. Times are from then on, and
    before then.

    `policy`: the case is about it, or `none` for those without a finding and blind ones. `lane`: one of them, or
    `user:` for those of all people. `sample`: reviewed ones of the control sample with that outcome of the model, whose
    decision lies in the period; `hit` narrows them to violations, `policy` to what was blocked for or found.
    """

    state: str = ""
    reason: str = ""
    policy: str = ""
    lane: str = ""
    market: str = ""
    opened_from: str = ""
    opened_to: str = ""
    due_from: str = ""
    due_to: str = ""
    reviewed_from: str = ""
    reviewed_to: str = ""
    verdict: str = ""
    sample: str = ""
    hit: str = ""
    since: str = ""
    until: str = ""
    before: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "WantedCases":
        """Raises InputError for a value that there is not."""
        check_query(query)
        wanted = cls(**{field.name: query.get(_NAMES.get(field.name, field.name), "") for field in fields(cls)})
        for name, choices in _CHOICES.items():
            value = getattr(wanted, name)
            if value not in ("", *choices):
                raise InputError(f"The {name} is '{value[:20]}': it can be {' or '.join(choices)}.")
        for name in _TIMES:
            moment_of_query(getattr(wanted, name), BEGINNING)
        return wanted

    def older_than(self, case_id: str) -> str:
        """The address of the next part of the list."""
        older = replace(self, before=case_id)
        values = {_NAMES.get(field.name, field.name): getattr(older, field.name) or None for field in fields(self)}
        return address("/cases", **values)


def read_cases(engine: Engine, reader: User, wanted: WantedCases) -> tuple[CaseLine, ...]:
    """At most 50 of what is wanted, newest first, but for those about listings that the reader has in hand."""
    its_review = and_(reviews.c.case_id == cases.c.case_id, not_taken_back())
    query = (
        select(cases, listings.c.body, reviews.c.verdict, reviews.c.policies, users.c.name)
        .join(decisions, cases.c.decision_id == decisions.c.decision_id)
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .outerjoin(reviews, its_review)
        .outerjoin(users, reviews.c.user_id == users.c.user_id)
        .where(decisions.c.listing_id.not_in(listings_in_hand(reader)))
        .order_by(cases.c.case_id.desc())
        .limit(CASES_SHOWN)
    )
    with reading(engine) as connection:
        conditions = [_sampled(connection, wanted)] if wanted.sample else _conditions(wanted)
        return tuple(_case_line(row) for row in connection.execute(query.where(*conditions)))


def _conditions(wanted: WantedCases) -> list[ColumnElement[bool]]:
    conditions = [
        *_between(cases.c.opened_at, wanted.opened_from, wanted.opened_to),
        *_between(cases.c.due_at, wanted.due_from, wanted.due_to),
        *_between(reviews.c.decided_at, wanted.reviewed_from, wanted.reviewed_to),
        case_of_market(wanted.market or None),
    ]
    if wanted.before:
        conditions.append(cases.c.case_id < wanted.before)
    if wanted.state:
        conditions.append(cases.c.state == literal_column(f"'{wanted.state}'"))
    if wanted.reason:
        conditions.append(cases.c.reason.in_(_stored_reasons(wanted.reason)))
    if wanted.lane:
        of_all = wanted.lane == LANES_OF_PEOPLE
        conditions.append(cases.c.lane.startswith(wanted.lane) if of_all else cases.c.lane == wanted.lane)
    if wanted.verdict:
        conditions.append(reviews.c.verdict == wanted.verdict)
    if wanted.policy == NO_POLICY:
        conditions.append(or_(cases.c.policy.is_(None), cases.c.reason.in_(map(str, BLIND_REASONS))))
    elif wanted.policy:
        conditions.append(case_shows(wanted.policy))
    return conditions


def _between(column: Any, first: str, end: str) -> list[ColumnElement[bool]]:
    """Not before `first`, and before `end`, where they are given."""
    after = [column >= iso_utc(moment_of_query(first, BEGINNING))] if first else []
    return [*after, column < iso_utc(moment_of_query(end, END))] if end else after


def _stored_reasons(shown: str) -> list[str]:
    """Those that are shown as that reason."""
    return [str(reason) for reason in CaseReason if shown_reason(reason) == shown]


def _sampled(connection: Connection, wanted: WantedCases) -> ColumnElement[bool]:
    """That a case is of the part of the list that is shown."""
    since, until = moment_of_query(wanted.since, BEGINNING), moment_of_query(wanted.until, END)
    outcome = Outcome(wanted.sample)
    found = [
        one.case_id
        for one in read_drawn(connection, Scope(since, until, wanted.market or None))
        if one.outcome is outcome and one.violated is not None
        if not (outcome is Outcome.BLOCK and wanted.policy) or wanted.policy in one.blocked_for
        if not wanted.hit or (wanted.policy in one.violated if wanted.policy else one.violated)
    ]
    before = [case_id for case_id in sorted(found) if not wanted.before or case_id < wanted.before]
    return cases.c.case_id.in_(before[-CASES_SHOWN:])


def _case_line(row: Row[Any]) -> CaseLine:
    reason = shown_reason(row.reason)
    blind = reason in BLIND_REASONS and row.state == "open"
    return CaseLine(
        case_id=row.case_id,
        heading=heading_of(row.body),
        reason=reason,
        policy=None if blind else row.policy,
        opened_at=datetime.fromisoformat(row.opened_at),
        due_at=datetime.fromisoformat(row.due_at) if row.due_at else None,
        verdict=ReviewVerdict(row.verdict) if row.verdict else None,
        violated=tuple(row.policies or ()),
        by=row.name,
    )
