"""Webhooks: endpoints, and what is delivered to each. An event alone no longer says whether it was delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.String(36)
MOMENT = sa.String(27)


def upgrade() -> None:
    op.drop_index("ix_events_outbox", "events")
    op.drop_column("events", "delivered_at")
    _endpoints()
    _deliveries()


def _endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("endpoint_id", ID, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("kinds", sa.Text, comment="the kinds of events it is sent, comma-separated; null for all"),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("state_reason", sa.Text, nullable=False, server_default="", comment="why it was disabled"),
        sa.Column("state_since", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("secret", sa.Text, comment="whsec_ and base64: needed to sign, so kept as it is; null once removed"),
        sa.Column("old_secret", sa.Text, comment="signs beside the new one until old_secret_until"),
        sa.Column("old_secret_until", MOMENT),
        sa.Column("failing_since", MOMENT, comment="the first failure after the last success"),
        sa.Column("paused_until", MOMENT),
        sa.PrimaryKeyConstraint("endpoint_id", name="pk_webhook_endpoints"),
        sa.CheckConstraint("state IN ('enabled', 'disabled', 'removed')", name=op.f("ck_webhook_endpoints_state")),
    )
    _partial_index("ix_webhook_endpoints_url", "webhook_endpoints", ["url"], "state <> 'removed'", unique=True)


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("endpoint_id", ID, nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("queued_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False, comment="a claim puts it off to the end of its lease"),
        sa.Column(
            "attempts", sa.Integer, nullable=False, server_default="0", comment="begun, the one under way included"
        ),
        sa.Column("attempted_at", MOMENT),
        sa.Column("result", sa.Text, nullable=False, server_default="", comment="what came of the last attempt"),
        sa.PrimaryKeyConstraint("endpoint_id", "event_id", name="pk_deliveries"),
        sa.ForeignKeyConstraint(["endpoint_id"], ["webhook_endpoints.endpoint_id"], name="fk_deliveries_endpoint_id"),
        sa.ForeignKeyConstraint(["event_id"], ["events.event_id"], name="fk_deliveries_event_id"),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name=op.f("ck_deliveries_state")),
    )
    _partial_index("ix_deliveries_due", "deliveries", ["endpoint_id", "due_at"], "state = 'waiting'")
    op.create_index("ix_deliveries_state", "deliveries", ["endpoint_id", "state", "queued_at"])


def _partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
