"""What a shadow bundle would have decided: how often it was compared, and where it disagreed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "shadow_comparisons",
        sa.Column("shadow_version", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False, comment="of the bundle that answered"),
        sa.Column("before", sa.String(16), nullable=False, comment="the outcome that was answered"),
        sa.Column("after", sa.String(16), nullable=False, comment="the outcome that the shadow would have given"),
        sa.Column("compared", sa.Integer, nullable=False),
        sa.Column("disagreed", sa.Integer, nullable=False, comment="of those, where an outcome or a band differs"),
        sa.Column("first_at", sa.String(27), nullable=False),
        sa.Column("last_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("shadow_version", "model_version", "before", "after", name="pk_shadow_comparisons"),
    )
    op.create_table(
        "shadow_disagreements",
        sa.Column("shadow_version", sa.Text, nullable=False),
        sa.Column("decision_id", sa.String(36), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False, comment="what the shadow would have decided"),
        sa.Column("assessment", JSON, nullable=False, comment="the shadow's, as in decisions"),
        sa.Column("compared_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("shadow_version", "decision_id", name="pk_shadow_disagreements"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_shadow_disagreements_decision_id"),
    )
