"""From reviews to a dataset: one row a reviewed listing, with where its label comes from. Training reads the file."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Row, Select, select

from fairstall.labeling.label_file import Manifest, write_labels
from fairstall.records.engine import reading
from fairstall.records.history import not_taken_back
from fairstall.records.ledger import COMPARED, CaseReason
from fairstall.records.tables import cases, decisions, listings, reviews

LABEL_KIND = "review"
ROWS_AT_ONCE = 500


def export_labels(engine: Engine, out: Path) -> Manifest:
    """Write every reviewed listing to `out` in the corpora's row format, and a manifest beside it.

    Reviews that were undone or of a golden item are left out, and so are listings that were erased or archived. The
    latest review of a listing that decided it gives the label: where two disagreed, that of who settled it. `reviews`,
    `reviewers` and `agreeing` count all that stand, second reviews among them, and those that say the same.
    `decided_together` says how many cases got that label by one verdict: one of many was given less care.
    `inclusion_probability` is the chance that the listing had to be reviewed at all, so that training and metrics can
    weight by its inverse.
    """
    with reading(engine) as connection:
        found = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(standing_reviews())
        return write_labels(out, _label_rows(found))


def standing_reviews() -> Select[Any]:
    """Reviews that nothing undid, of listings that are still there; those of one listing together, the latest last."""
    review = (
        reviews.c.verdict,
        reviews.c.policies,
        reviews.c.user_id,
        reviews.c.decided_at,
        reviews.c.decided_together,
        cases.c.case_id,
    )
    decision = (
        cases.c.reason,
        decisions.c.decision_id,
        decisions.c.model_version,
        decisions.c.policies_version,
        decisions.c.assessment,
    )
    return (
        select(*review, *decision, listings.c.digest, listings.c.body)
        .join(cases, reviews.c.case_id == cases.c.case_id)
        .join(decisions, cases.c.decision_id == decisions.c.decision_id)
        .join(listings, decisions.c.listing_digest == listings.c.digest)
        .where(not_taken_back(), cases.c.reason != str(CaseReason.GOLDEN), decisions.c.erased_at.is_(None))
        .order_by(listings.c.digest, reviews.c.decided_at, reviews.c.review_id)
    )


def _label_rows(found: Iterator[Row[Any]]) -> Iterator[dict[str, Any]]:
    for _, of_one_listing in groupby(found, key=lambda row: row.digest):
        rows = list(of_one_listing)
        if deciding := [row for row in rows if CaseReason(row.reason) not in COMPARED]:
            yield _label_row(deciding[-1], rows)


def _label_row(latest: Row[Any], rows: Sequence[Row[Any]]) -> dict[str, Any]:
    sampling = latest.assessment["sampling"]
    return {
        "id": f"{LABEL_KIND}:{latest.digest[:16]}",
        "title": latest.body["title"],
        "description": latest.body["description"],
        "language": latest.body.get("language"),
        "verdict": latest.verdict,
        "policies": latest.policies,
        "label_kind": LABEL_KIND,
        "decision_id": latest.decision_id,
        "case_id": latest.case_id,
        "reason": latest.reason,
        "reviews": len(rows),
        "reviewers": len({row.user_id for row in rows}),
        "decided_together": latest.decided_together,
        "agreeing": sum(_label(row) == _label(latest) for row in rows),
        "reviewed_at": latest.decided_at,
        "model_version": latest.model_version,
        "policies_version": latest.policies_version,
        "inclusion_probability": sampling["inclusion_probability"],
        "scores": latest.assessment["scores"],
    }


def _label(row: Row[Any]) -> tuple[str, frozenset[str]]:
    return row.verdict, frozenset(row.policies)
