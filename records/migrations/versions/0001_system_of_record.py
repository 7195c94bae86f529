"""The system of record: listings, decisions, cases, reviews, events, keys, users and sessions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
ID = sa.String(36)
MOMENT = sa.String(27)


def upgrade() -> None:
    _users()
    _keys()
    _decisions()
    _cases()
    _reviews()
    _events()


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False, comment="argon2id, in its encoded form"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("failed_logins", sa.Integer, nullable=False, server_default="0"),
        sa.Column("locked_until", MOMENT),
        sa.PrimaryKeyConstraint("user_id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
        sa.CheckConstraint(
            "role IN ('moderator', 'senior', 'manager', 'engineer', 'auditor', 'admin')", name=op.f("ck_users_role")
        ),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(64), nullable=False, comment="SHA-256 of the cookie's token"),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("csrf_token", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_sessions_user_id"),
    )


def _keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, comment="SHA-256; the key itself is never stored"),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
        sa.CheckConstraint("scope IN ('score', 'read')", name=op.f("ck_api_keys_scope")),
    )
    _partial_index("ix_api_keys_name", "api_keys", ["name"], "revoked_at IS NULL", unique=True)
    op.create_table(
        "idempotency_keys",
        sa.Column("api_key_id", ID, nullable=False),
        sa.Column("idempotency_key", sa.String(255), nullable=False),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False, comment="the JSON that was answered"),
        sa.Column("stored_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("api_key_id", "idempotency_key", name="pk_idempotency_keys"),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.key_id"], name="fk_idempotency_keys_api_key_id"),
    )
    op.create_index("ix_idempotency_keys_age", "idempotency_keys", ["stored_at"])


def _decisions() -> None:
    op.create_table(
        "listings",
        sa.Column("digest", sa.String(64), nullable=False, comment="SHA-256 of the listing's canonical JSON"),
        sa.Column("listing_id", sa.Text, nullable=False),
        sa.Column("seller_id", sa.Text, nullable=False),
        sa.Column("body", JSON, nullable=False, comment="the listing as uploaded"),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_listings"),
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", ID, nullable=False),
        sa.Column("listing_id", sa.Text, nullable=False),
        sa.Column("seller_id", sa.Text, nullable=False),
        sa.Column("listing_digest", sa.String(64), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("actor", sa.Text, nullable=False, comment="'model' or 'user:NAME'"),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("policies_version", sa.Text, nullable=False),
        sa.Column(
            "assessment", JSON, nullable=False, comment="assessment_body: findings, doubts, scores, evasion, sampling"
        ),
        sa.Column("overrides", ID),
        sa.PrimaryKeyConstraint("decision_id", name="pk_decisions"),
        sa.UniqueConstraint("overrides", name="uq_decisions_overrides"),
        sa.ForeignKeyConstraint(["listing_digest"], ["listings.digest"], name="fk_decisions_listing_digest"),
        sa.ForeignKeyConstraint(["overrides"], ["decisions.decision_id"], name="fk_decisions_overrides"),
        sa.CheckConstraint("outcome IN ('approve', 'review', 'block')", name=op.f("ck_decisions_outcome")),
    )
    op.create_index("ix_decisions_listing", "decisions", ["listing_id", "decided_at"])
    op.create_index("ix_decisions_seller", "decisions", ["seller_id", "decided_at"])


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("decision_id", ID, nullable=False),
        sa.Column("reason", sa.String(24), nullable=False),
        sa.Column("policy", sa.Text, comment="the gravest finding's policy; null where there is none"),
        sa.Column("priority", sa.Float, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(8), nullable=False, server_default="open"),
        sa.Column("lease_holder", ID),
        sa.Column("lease_until", MOMENT),
        sa.Column("claimed_at", MOMENT),
        sa.PrimaryKeyConstraint("case_id", name="pk_cases"),
        sa.UniqueConstraint("decision_id", name="uq_cases_decision_id"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_cases_decision_id"),
        sa.ForeignKeyConstraint(["lease_holder"], ["users.user_id"], name="fk_cases_lease_holder"),
        sa.CheckConstraint(
            "reason IN ('uncertain', 'control', 'golden', 'second_opinion', 'appeal', 'report', 'escalation')",
            name=op.f("ck_cases_reason"),
        ),
        sa.CheckConstraint("state IN ('open', 'decided')", name=op.f("ck_cases_state")),
    )
    _partial_index("ix_cases_queue", "cases", [sa.text("priority DESC"), "opened_at"], "state = 'open'")
    op.create_index("ix_cases_holder", "cases", ["lease_holder", "lease_until"])


def _reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("review_id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False, comment="'undone' takes back the review named in `undoes`"),
        sa.Column("policies", JSON, nullable=False, comment="the policy codes that the listing violates"),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.Column("claimed_at", MOMENT, nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.Column("decision_id", ID, comment="the ledger row that this review wrote"),
        sa.Column("undoes", ID),
        sa.PrimaryKeyConstraint("review_id", name="pk_reviews"),
        sa.UniqueConstraint("undoes", name="uq_reviews_undoes"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_reviews_case_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_reviews_user_id"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_reviews_decision_id"),
        sa.ForeignKeyConstraint(["undoes"], ["reviews.review_id"], name="fk_reviews_undoes"),
        sa.CheckConstraint("verdict IN ('violation', 'compliant', 'undone')", name=op.f("ck_reviews_verdict")),
    )
    op.create_index("ix_reviews_case", "reviews", ["case_id", "decided_at"])
    op.create_index("ix_reviews_user", "reviews", ["user_id", "decided_at"])


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("kind", sa.String(48), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("happened_at", MOMENT, nullable=False),
        sa.Column("delivered_at", MOMENT, comment="null while the event waits in the outbox"),
        sa.PrimaryKeyConstraint("event_id", name="pk_events"),
    )
    _partial_index("ix_events_outbox", "events", ["event_id"], "delivered_at IS NULL")


def _partial_index(
    name: str, table: str, columns: list[str | sa.TextClause], where: str, *, unique: bool = False
) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
