"""Decisions whose scores are those of an equal text that came before."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "scores of an earlier equal text"
    repeated = sa.Column("repeated", sa.Boolean, nullable=False, server_default=sa.text("false"), comment=comment)
    op.add_column("decisions", repeated)
