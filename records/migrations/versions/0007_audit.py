"""The audit chain over decisions and reviews, erasure of a seller's data, and the archive by month."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.String(36)
MOMENT = sa.String(27)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("listings", sa.Column("erased_at", MOMENT, comment="when its text and its ids were erased"))
    op.add_column("decisions", sa.Column("erased_at", MOMENT, comment="when the seller's data in it were erased"))
    op.add_column("reviews", sa.Column("erased_at", MOMENT, comment="when its note was erased"))
    # A row that others point to is deleted in no time only where those have an index of the pointer.
    op.create_index("ix_decisions_digest", "decisions", ["listing_digest"])
    op.create_index("ix_reviews_decision", "reviews", ["decision_id"])
    op.create_index("ix_deliveries_event", "deliveries", ["event_id"])
    op.create_index("ix_shadow_disagreements_decision", "shadow_disagreements", ["decision_id"])
    _seals()
    _leaves()
    _acts()


def _seals() -> None:
    settled = "all rows from before are sealed; null while the first pass is under way"
    op.create_table(
        "audit_seals",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False, comment="from 1, without a gap"),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT, comment=settled),
        sa.Column("leaves", sa.Integer, nullable=False),
        sa.Column(
            "root", sa.String(64), nullable=False, comment="of the Merkle tree of its leaves (RFC 6962), SHA-256"
        ),
        sa.Column("previous", sa.String(64), nullable=False, comment="the hash of the seal before"),
        sa.Column("hash", sa.String(64), nullable=False, comment="SHA-256 of all of the above"),
        sa.PrimaryKeyConstraint("number", name="pk_audit_seals"),
        sa.UniqueConstraint("hash", name="uq_audit_seals_hash"),
    )


def _leaves() -> None:
    committed = "SHA-256 of the salt and of what may be erased"
    op.create_table(
        "audit_leaves",
        sa.Column("seal", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("position", sa.Integer, nullable=False, autoincrement=False, comment="in the seal, from 0"),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("row_id", ID, nullable=False, comment="the id of a decision, a review or an act"),
        sa.Column("hash", sa.LargeBinary, nullable=False, comment="of what is kept for good, and of the commitment"),
        sa.Column("commitment", sa.LargeBinary, nullable=False, comment=committed),
        sa.Column("salt", sa.LargeBinary, comment="null once it was erased"),
        sa.Column("erased_by", ID, comment="the act that erased it"),
        sa.Column("archived", sa.String(7), comment="the month of the archive that the row is in, as in 2026-01"),
        sa.PrimaryKeyConstraint("seal", "position", name="pk_audit_leaves"),
        sa.ForeignKeyConstraint(["seal"], ["audit_seals.number"], name="fk_audit_leaves_seal"),
        sa.UniqueConstraint("row_id", name="uq_audit_leaves_row_id"),
        sa.CheckConstraint("kind IN ('decision', 'review', 'act')", name=op.f("ck_audit_leaves_kind")),
    )


def _acts() -> None:
    op.create_table(
        "audit_acts",
        sa.Column("act_id", ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("happened_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("act_id", name="pk_audit_acts"),
        sa.CheckConstraint("kind IN ('erasure', 'archive', 'late_seal')", name=op.f("ck_audit_acts_kind")),
    )
    op.create_table(
        "erasures",
        sa.Column("erasure_id", ID, nullable=False),
        sa.Column("seller_id", sa.Text, nullable=False, comment="gone with the row when the erasure is done"),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column(
            "secret", sa.LargeBinary, nullable=False, comment="makes pseudonyms that nobody can link once it is gone"
        ),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("erasure_id", name="pk_erasures"),
        sa.UniqueConstraint("seller_id", name="uq_erasures_seller_id"),
    )
