"""One-time passwords, people of an identity provider, sessions that end when idle, and who looked at which listing."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.String(36)
MOMENT = sa.String(27)


def upgrade() -> None:
    once = "a password for the first log in, good until then; null: a chosen one"
    op.add_column("users", sa.Column("one_time_until", MOMENT, comment=once))
    vouches = "of the identity provider that vouches for this person"
    op.add_column("users", sa.Column("issuer", sa.Text, comment=vouches))
    called = "what that provider calls the person, never used for another"
    op.add_column("users", sa.Column("subject", sa.Text, comment=called))
    op.create_index("ix_users_subject", "users", ["issuer", "subject"], unique=True)
    op.drop_table("sessions")  # everybody logs in once more
    _sessions()
    _views()


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(64), nullable=False, comment="SHA-256 of the cookie's token"),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("csrf_token", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False, comment="the last request, to the minute"),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("browser", sa.Text, nullable=False, comment="as in Firefox on Linux, for its owner to know it again"),
        sa.PrimaryKeyConstraint("digest", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_sessions_user_id"),
    )
    op.create_index("ix_sessions_user", "sessions", ["user_id"])


def _views() -> None:
    at_once = "one for all listings that a page showed at once"
    op.create_table(
        "views",
        sa.Column("view_id", ID, nullable=False, comment=at_once),
        sa.Column("decision_id", ID, nullable=False, comment="names the listing; it may be archived since"),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("page", sa.String(16), nullable=False),
        sa.Column("case_id", ID, comment="the case that the page was about, if it was about one"),
        sa.PrimaryKeyConstraint("view_id", "decision_id", name="pk_views"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_views_user_id"),
    )
    op.create_index("ix_views_user", "views", ["user_id", "view_id"])
    op.create_index("ix_views_decision", "views", ["decision_id"])
    op.create_index("ix_views_case", "views", ["case_id"])
