"""Which words made the model open a case: places in the text, found after the decision."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "case_evidence",
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("model_version", sa.Text, nullable=False, comment="of the bundle that was asked"),
        sa.Column("body", JSON, nullable=False, comment="places in the text with their weight by policy; no words"),
        sa.Column("made_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("case_id", name="pk_case_evidence"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_case_evidence_case_id"),
    )
