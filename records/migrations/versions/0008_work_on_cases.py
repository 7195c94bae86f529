"""Due times, lanes and steps of cases, several cases about one decision, and the teams that people are in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ID = sa.String(36)
MOMENT = sa.String(27)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    _cases()
    _steps()
    teams = sa.Column(
        "teams", JSON, nullable=False, server_default="[]", comment="names of the teams that the person is in"
    )
    op.add_column("users", teams)


def _cases() -> None:
    op.drop_index("ix_cases_queue", "cases")
    priority = "what looking at it saves, 0 to 1"
    with op.batch_alter_table("cases") as batch:
        batch.alter_column("priority", existing_type=sa.Float, existing_nullable=False, comment=priority)
        batch.add_column(sa.Column("held_at", MOMENT, comment="since when its holder has put it aside"))
        batch.add_column(sa.Column("urgent_at", MOMENT, comment="its place in the queue: the earlier, the sooner"))
        batch.add_column(sa.Column("due_at", MOMENT, comment="null for cases from before there were due times"))
        batch.add_column(
            sa.Column(
                "lane",
                sa.String(80),
                nullable=False,
                server_default="all",
                comment="who may have it: `lanes` in labeling",
            )
        )
        batch.drop_constraint("uq_cases_decision_id", type_="unique")
    # Cases from before come first, in the order in which they were opened.
    op.execute("UPDATE cases SET urgent_at = opened_at")
    with op.batch_alter_table("cases") as batch:
        batch.alter_column("urgent_at", existing_type=MOMENT, nullable=False)
    open_ones = sa.text("state = 'open'")
    op.create_index(
        "ix_cases_queue", "cases", ["lane", "urgent_at"], sqlite_where=open_ones, postgresql_where=open_ones
    )
    op.create_index("ix_cases_decision", "cases", ["decision_id"])


def _steps() -> None:
    op.create_table(
        "case_steps",
        sa.Column("step_id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("lane", sa.String(80), comment="where the case went"),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.Column("happened_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("step_id", name="pk_case_steps"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_case_steps_case_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_case_steps_user_id"),
        sa.CheckConstraint(
            "kind IN ('touched', 'skipped', 'held', 'resumed', 'released', 'handed_over', 'escalated', 'recalled')",
            name=op.f("ck_case_steps_kind"),
        ),
    )
    op.create_index("ix_case_steps_case", "case_steps", ["case_id", "happened_at"])
    op.create_index("ix_case_steps_time", "case_steps", ["happened_at"])
