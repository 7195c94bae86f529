"""Fingerprints of blocked listings, by which their near-duplicates are found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.String(36)
MOMENT = sa.String(27)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "blocked_prints",
        sa.Column("decision_id", ID, nullable=False),
        sa.Column("listing_id", sa.Text, nullable=False),
        sa.Column("policies", JSON, nullable=False, comment="the policy codes that it was blocked for"),
        sa.Column("print", sa.LargeBinary, nullable=False, comment="the fingerprint of its text"),
        sa.Column("version", sa.Integer, nullable=False, comment="of the way in which the print was made"),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False, comment="when it was made, or withdrawn"),
        sa.Column(
            "withdrawn",
            sa.Boolean,
            nullable=False,
            server_default=sa.text("false"),
            comment="the block was overridden",
        ),
        sa.PrimaryKeyConstraint("decision_id", name="pk_blocked_prints"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_blocked_prints_decision_id"),
    )
    op.create_index("ix_blocked_prints_changed", "blocked_prints", ["changed_at"])
