"""Conditions that several readings and lists share: what is of a market, a policy or a period."""

from sqlalchemy import Column, ColumnElement, and_, exists, literal_column, or_, true

from fairstall.labeling.trends.scope import Scope
from fairstall.model.identifiers import earliest_id
from fairstall.records.ledger import BLIND_REASONS
from fairstall.records.tables import cases, decisions, listings
from fairstall.records.tallies import market_of_listing


def made_in(row_id: Column[str], scope: Scope) -> ColumnElement[bool]:
    """That a row with a time-ordered id was made in the period."""
    return and_(row_id >= earliest_id(scope.since), row_id < earliest_id(scope.until))


def about_market(decision_id: Column[str], market: str | None) -> ColumnElement[bool]:
    """That a decision is about a listing of a market, if one is meant."""
    if market is None:
        return true()
    about = decisions.alias("about")
    joined = about.join(listings, about.c.listing_digest == listings.c.digest)
    return exists().select_from(joined).where(about.c.decision_id == decision_id, market_of_listing() == market)


def case_of_market(market: str | None) -> ColumnElement[bool]:
    """That a case is about a market, if one is meant: as was noted with it, or else as its listing says."""
    if market is None:
        return true()
    not_noted = and_(cases.c.market.is_(None), about_market(cases.c.decision_id, market))
    return or_(cases.c.market == market, not_noted)


# Word for word as in the index of these cases: otherwise SQLite would not use it.
BESIDE_DOUBT: ColumnElement[bool] = literal_column("cases.reason <> 'uncertain'")


def case_shows(policy: str | None) -> ColumnElement[bool]:
    """That a case is about a policy, if one is meant. A blind one never says so, whoever asks."""
    if policy is None:
        return true()
    return and_(cases.c.policy == policy, cases.c.reason.not_in([str(reason) for reason in BLIND_REASONS]))
