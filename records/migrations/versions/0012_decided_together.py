"""Reviews that were decided together: which, and how many."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    batch = "the same for all reviews that were decided together"
    op.add_column("reviews", sa.Column("batch_id", sa.String(36), comment=batch))
    together = sa.Column(
        "decided_together", sa.Integer, nullable=False, server_default="1", comment="how many those were"
    )
    op.add_column("reviews", together)
    op.create_index("ix_reviews_batch", "reviews", ["batch_id"])
