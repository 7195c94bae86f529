"""What a shadow bundle would have decided, beside what was: counted always, kept where the two disagree.

A shadow's rows are never read by what decides; they are for people who ask whether it may serve.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Insert, select
from sqlalchemy.dialects import postgresql, sqlite

from fairstall.model.decide import Band, Outcome
from fairstall.model.decision import Assessment, Decision
from fairstall.model.errors import NotFound
from fairstall.model.wire import assessment_body, assessment_from_body, iso_utc
from fairstall.records.engine import reading, writing
from fairstall.records.idempotency import insert_new
from fairstall.records.tables import decisions, shadow_comparisons, shadow_disagreements

ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Comparison:
    """A decision, and what the shadow makes of the same listing."""

    decision: Decision
    shadow: Assessment
    compared_at: datetime

    @property
    def agrees(self) -> bool:
        """The same outcome, and each policy in the same band."""
        return self.decision.outcome is self.shadow.outcome and not moved_bands(self.decision.assessment, self.shadow)


@dataclass(frozen=True, slots=True)
class PairCount:
    """How often a shadow was compared with answers of this outcome, and how often anything of it differed."""

    model_version: str
    before: Outcome
    after: Outcome
    compared: int
    disagreed: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One decision that the shadow would have made otherwise."""

    decision_id: str
    before: Assessment
    after: Assessment


def moved_bands(before: Assessment, after: Assessment) -> dict[str, tuple[Band, Band]]:
    """The policies whose band differs, with both bands. A policy without a finding is in the lowest."""
    old, new = ({finding.policy: finding.band for finding in one.findings} for one in (before, after))
    pairs = {code: (old.get(code, Band.LOW), new.get(code, Band.LOW)) for code in {**old, **new}}
    return {code: pair for code, pair in pairs.items() if pair[0] is not pair[1]}


def record_comparisons(engine: Engine, comparisons: Sequence[Comparison]) -> None:
    """Count all and keep those that disagree, in one transaction. Their decisions are stored before."""
    if not comparisons:
        return
    with writing(engine) as connection:
        connection.execute(_count(connection, _counted(comparisons)))
        rows = [_disagreement_row(one) for one in comparisons if not one.agrees]
        if kept := _not_erased(connection, rows):
            connection.execute(insert_new(connection, shadow_disagreements), kept)


def latest_shadow(engine: Engine) -> str:
    """The version of the shadow that was compared last. Raises NotFound when none ever was."""
    table = shadow_comparisons.c
    newest = select(table.shadow_version).order_by(table.last_at.desc(), table.shadow_version).limit(1)
    with reading(engine) as connection:
        version = connection.execute(newest).scalar_one_or_none()
    if version is None:
        raise NotFound("no shadow was compared yet: `fairstall shadow set BUNDLE` begins it while the service runs")
    return str(version)


def pair_counts(engine: Engine, shadow_version: str) -> list[PairCount]:
    """All comparisons of one shadow, by the bundle that answered and by pair of outcomes."""
    table = shadow_comparisons.c
    query = select(shadow_comparisons).where(table.shadow_version == shadow_version)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(table.model_version, table.before, table.after)).all()
    return [
        PairCount(
            model_version=row.model_version,
            before=Outcome(row.before),
            after=Outcome(row.after),
            compared=row.compared,
            disagreed=row.disagreed,
            first_at=datetime.fromisoformat(row.first_at),
            last_at=datetime.fromisoformat(row.last_at),
        )
        for row in rows
    ]


def disagreements(engine: Engine, shadow_version: str, model_version: str) -> Iterator[Disagreement]:
    """Every disagreement of a shadow with one bundle, newest decision first; read in pages, a transaction each."""
    table, before = shadow_disagreements.c, None
    columns = (table.decision_id, decisions.c.assessment.label("answered"), table.assessment)
    join = shadow_disagreements.join(decisions, decisions.c.decision_id == table.decision_id)
    query = select(*columns).select_from(join).where(table.shadow_version == shadow_version)
    query = (
        query.where(decisions.c.model_version == model_version).order_by(table.decision_id.desc()).limit(ROWS_AT_ONCE)
    )
    while True:
        with reading(engine) as connection:
            page = connection.execute(query if before is None else query.where(table.decision_id < before)).all()
        for row in page:
            yield Disagreement(
                row.decision_id, assessment_from_body(row.answered), assessment_from_body(row.assessment)
            )
        if len(page) < ROWS_AT_ONCE:
            return
        before = page[-1].decision_id


def _counted(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """A row for each key; in one order everywhere, so that two writers never wait for each other's rows."""
    compared, disagreed = Counter(map(_key, comparisons)), Counter(_key(one) for one in comparisons if not one.agrees)
    first_at = iso_utc(min(one.compared_at for one in comparisons))
    last_at = iso_utc(max(one.compared_at for one in comparisons))
    names = ("shadow_version", "model_version", "before", "after")
    return [
        dict(zip(names, key, strict=True))
        | {"compared": compared[key], "disagreed": disagreed[key], "first_at": first_at, "last_at": last_at}
        for key in sorted(compared)
    ]


def _key(one: Comparison) -> tuple[str, str, str, str]:
    shadow, answered = one.shadow.versions.model, one.decision.assessment.versions.model
    return shadow, answered, str(one.decision.outcome), str(one.shadow.outcome)


def _count(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> Insert:
    """INSERT of rows that adds to those that are there."""
    table = shadow_comparisons.c
    made: Any = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(shadow_comparisons)
    new = made.excluded
    counted: Insert = made.values(list(rows)).on_conflict_do_update(
        index_elements=[table.shadow_version, table.model_version, table.before, table.after],
        set_={
            "compared": table.compared + new.compared,
            "disagreed": table.disagreed + new.disagreed,
            "last_at": new.last_at,
        },
    )
    return counted


def _not_erased(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose decision is there with its text: what was erased meanwhile must not come back."""
    ids = [row["decision_id"] for row in rows]
    there = select(decisions.c.decision_id).where(decisions.c.decision_id.in_(ids), decisions.c.erased_at.is_(None))
    found = set(connection.execute(there.with_for_update(read=True)).scalars()) if ids else set()
    return [row for row in rows if row["decision_id"] in found]


def _disagreement_row(one: Comparison) -> dict[str, Any]:
    return {
        "shadow_version": one.shadow.versions.model,
        "decision_id": one.decision.decision_id,
        "outcome": str(one.shadow.outcome),
        "assessment": assessment_body(one.shadow),
        "compared_at": iso_utc(one.compared_at),
    }
