"""Golden items, the cases that they became, disagreements between reviewers, and what is said of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ID = sa.String(36)
MOMENT = sa.String(27)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    _golden_items()
    _golden_cases()
    _disagreements()
    _calibration_entries()


def _golden_items() -> None:
    op.create_table(
        "golden_items",
        sa.Column("golden_id", ID, nullable=False),
        sa.Column("decision_id", ID, nullable=False, comment="the model's, as reviewed"),
        sa.Column("verdict", sa.String(16), nullable=False, comment="what was agreed on"),
        sa.Column("policies", JSON, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("added_by", ID, nullable=False),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.Column("retired_at", MOMENT),
        sa.Column("retired_by", ID, comment="null where an erasure retired it"),
        sa.PrimaryKeyConstraint("golden_id", name="pk_golden_items"),
        _to("golden_items", "decision_id", "decisions.decision_id"),
        _to("golden_items", "added_by", "users.user_id"),
        _to("golden_items", "retired_by", "users.user_id"),
        sa.CheckConstraint("verdict IN ('violation', 'compliant')", name=op.f("ck_golden_items_verdict")),
    )
    in_use = sa.text("retired_at IS NULL")
    op.create_index(
        "ix_golden_items_decision",
        "golden_items",
        ["decision_id"],
        unique=True,
        sqlite_where=in_use,
        postgresql_where=in_use,
    )
    op.create_index("ix_golden_items_added", "golden_items", ["added_at"])


def _golden_cases() -> None:
    op.create_table(
        "golden_cases",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("golden_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False, comment="into whose work it was mixed"),
        sa.Column(
            "instead_of", ID, nullable=False, comment="the case that it came before; that one may be archived sooner"
        ),
        sa.PrimaryKeyConstraint("case_id", name="pk_golden_cases"),
        _to("golden_cases", "case_id", "cases.case_id"),
        _to("golden_cases", "golden_id", "golden_items.golden_id"),
        _to("golden_cases", "user_id", "users.user_id"),
    )
    op.create_index("ix_golden_cases_user", "golden_cases", ["user_id"])
    op.create_index("ix_golden_cases_golden", "golden_cases", ["golden_id"])


def _disagreements() -> None:
    op.create_table(
        "disagreements",
        sa.Column("case_id", ID, nullable=False, comment="the escalation that settles it"),
        sa.Column("decision_id", ID, nullable=False),
        sa.Column("first_review_id", ID, nullable=False),
        sa.Column("second_review_id", ID, nullable=False),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("case_id", name="pk_disagreements"),
        _to("disagreements", "case_id", "cases.case_id"),
        _to("disagreements", "decision_id", "decisions.decision_id"),
        _to("disagreements", "first_review_id", "reviews.review_id"),
        _to("disagreements", "second_review_id", "reviews.review_id"),
    )
    op.create_index("ix_disagreements_decision", "disagreements", ["decision_id"])
    op.create_index("ix_disagreements_found", "disagreements", ["found_at"])


def _calibration_entries() -> None:
    op.create_table(
        "calibration_entries",
        sa.Column("entry_id", ID, nullable=False),
        sa.Column("decision_id", ID, nullable=False, comment="that people disagreed on"),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("verdict", sa.String(16), comment="what the session came to, or what the example shows"),
        sa.Column("policies", JSON, nullable=False),
        sa.Column("title", sa.Text, nullable=False, server_default="", comment="of the example"),
        sa.Column("text", sa.Text, nullable=False, server_default=""),
        sa.Column("written_at", MOMENT, nullable=False),
        sa.Column("erased_at", MOMENT, comment="when its words were erased"),
        sa.PrimaryKeyConstraint("entry_id", name="pk_calibration_entries"),
        _to("calibration_entries", "decision_id", "decisions.decision_id"),
        _to("calibration_entries", "user_id", "users.user_id"),
        sa.CheckConstraint("kind IN ('comment', 'verdict', 'example')", name=op.f("ck_calibration_entries_kind")),
        sa.CheckConstraint("verdict IN ('violation', 'compliant')", name=op.f("ck_calibration_entries_verdict")),
    )
    op.create_index("ix_calibration_entries_decision", "calibration_entries", ["decision_id", "written_at"])


def _to(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_{table}_{column}")
