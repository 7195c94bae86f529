"""API keys that end by themselves, and that may score only so fast."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("expires_at", sa.String(27), comment="null: when it is revoked"))
    op.add_column("api_keys", sa.Column("listings_per_s", sa.Float, comment="null: as fast as it likes"))
