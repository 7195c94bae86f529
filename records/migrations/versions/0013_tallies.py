"""Decisions counted by hour, how far that has come, the market of cases, and an index of those beside doubt."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "decision_tallies",
        sa.Column(
            "policy", sa.Text, nullable=False, comment="decisions with a finding on it; '' for all, with one or without"
        ),
        sa.Column("hour", sa.String(13), nullable=False, comment="of the decisions, as in 2026-01-31T23"),
        sa.Column("market", sa.Text, nullable=False, comment="'' where the listing names none"),
        sa.Column("by_model", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("decisions", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("policy", "hour", "market", "by_model", "outcome", name="pk_decision_tallies"),
    )
    op.create_table(
        "tally_marks",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column(
            "last",
            sa.String(36),
            nullable=False,
            comment="the last decision that is counted, by its id; so are all before it",
        ),
        sa.PrimaryKeyConstraint("name", name="pk_tally_marks"),
    )
    market = "that its listing names, '' for none; null where the listing has to be asked"
    op.add_column("cases", sa.Column("market", sa.Text, comment=market))
    others = sa.text("reason <> 'uncertain'")
    op.create_index("ix_cases_beside", "cases", ["decision_id"], sqlite_where=others, postgresql_where=others)
