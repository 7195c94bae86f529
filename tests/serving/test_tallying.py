"""A running service counts what it decides, for the trends of the console."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, select

from fairstall.records.engine import reading
from fairstall.records.tables import decision_tallies
from fairstall.records.tallies import ALL_POLICIES
from fairstall.serving import tallying as module
from fairstall.serving.app import utc_now
from fairstall.serving.tallying import TallyPasses


def counted(engine) -> int:
    of_all = decision_tallies.c.policy == ALL_POLICIES
    with reading(engine) as connection:
        return connection.execute(select(func.sum(decision_tallies.c.decisions)).where(of_all)).scalar_one() or 0


def test_the_app_counts_from_its_start_on(sqlite_engine, make_parts, serve_parts, a_listing, monkeypatch):
    monkeypatch.setattr(module, "COUNT_EVERY_S", 0.01)
    ahead = [timedelta()]
    passes = TallyPasses(sqlite_engine, lambda: utc_now() + ahead[-1])
    with serve_parts(replace(make_parts(sqlite_engine), tallying=passes)) as served:
        assert served.score(a_listing()).status_code == 200
        ahead.append(timedelta(minutes=5))
        while not counted(sqlite_engine):
            served.client.get("/healthz")
    assert counted(sqlite_engine) == 1
