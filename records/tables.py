"""Every table of the system of record. Rows of `decisions`, `reviews`, `events` and `audit_*` are only ever added.

Two acts go beyond that, and both leave a row in `audit_acts`: erasing a seller's data, and archiving a month. Rows of
`views` are only added too, and deleted when they are older than they are kept.

Times are UTC in RFC 3339 text with microseconds (`iso_utc`), so that both databases sort and compare them alike.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Json = JSON().with_variant(JSONB(), "postgresql")
Id = String(36)
Moment = String(27)

listings = Table(
    "listings",
    metadata,
    Column("digest", String(64), primary_key=True, comment="SHA-256 of the listing's canonical JSON"),
    Column("listing_id", Text, nullable=False),
    Column("seller_id", Text, nullable=False),
    Column("body", Json, nullable=False, comment="the listing as uploaded"),
    Column("received_at", Moment, nullable=False),
    Column("erased_at", Moment, comment="when its text and its ids were erased"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", Id, primary_key=True),
    Column("listing_id", Text, nullable=False),
    Column("seller_id", Text, nullable=False),
    Column("listing_digest", String(64), ForeignKey("listings.digest"), nullable=False),
    Column("decided_at", Moment, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("actor", Text, nullable=False, comment="'model' or 'user:NAME'"),
    Column("model_version", Text, nullable=False),
    Column("policies_version", Text, nullable=False),
    Column("assessment", Json, nullable=False, comment="assessment_body: findings, doubts, scores, evasion, sampling"),
    Column("overrides", Id, ForeignKey("decisions.decision_id"), unique=True),
    Column(
        "repeated", Boolean, nullable=False, server_default=text("false"), comment="scores of an earlier equal text"
    ),
    Column("erased_at", Moment, comment="when the seller's data in it were erased"),
    CheckConstraint("outcome IN ('approve', 'review', 'block')", name="outcome"),
    Index("ix_decisions_listing", "listing_id", "decided_at"),
    Index("ix_decisions_seller", "seller_id", "decided_at"),
    Index("ix_decisions_digest", "listing_digest"),
)

cases = Table(
    "cases",
    metadata,
    Column("case_id", Id, primary_key=True),
    Column("decision_id", Id, ForeignKey("decisions.decision_id"), nullable=False),
    Column("reason", String(24), nullable=False),
    Column("policy", Text, comment="the gravest finding's policy; null where there is none"),
    Column("priority", Float, nullable=False, comment="what looking at it saves, 0 to 1"),
    Column("opened_at", Moment, nullable=False),
    Column("state", String(8), nullable=False, server_default="open"),
    Column("lease_holder", Id, ForeignKey("users.user_id")),
    Column("lease_until", Moment),
    Column("claimed_at", Moment),
    Column("held_at", Moment, comment="since when its holder has put it aside"),
    Column("urgent_at", Moment, nullable=False, comment="its place in the queue: the earlier, the sooner"),
    Column("due_at", Moment, comment="null for cases from before there were due times"),
    Column("lane", String(80), nullable=False, server_default="all", comment="who may have it: `lanes` in labeling"),
    Column("market", Text, comment="that its listing names, '' for none; null where the listing has to be asked"),
    CheckConstraint(
        "reason IN ('uncertain', 'control', 'golden', 'second_opinion', 'appeal', 'report', 'escalation')",
        name="reason",
    ),
    CheckConstraint("state IN ('open', 'decided')", name="state"),
    Index(
        "ix_cases_queue",
        "lane",
        "urgent_at",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index("ix_cases_holder", "lease_holder", "lease_until"),
    Index("ix_cases_decision", "decision_id"),
    # Cases that no doubt of the model opened are few, and found by the time of their decision.
    Index(
        "ix_cases_beside",
        "decision_id",
        sqlite_where=text("reason <> 'uncertain'"),
        postgresql_where=text("reason <> 'uncertain'"),
    ),
)


def opened_with(decision: FromClause, case: FromClause | None = None) -> ColumnElement[bool]:
    """For a join: of the cases about a row of `decision` the one that was opened with it; there is one at most."""
    case = cases if case is None else case
    return and_(case.c.decision_id == decision.c.decision_id, case.c.reason.in_(("uncertain", "control")))


case_steps = Table(
    "case_steps",
    metadata,
    Column("step_id", Id, primary_key=True),
    Column("case_id", Id, ForeignKey("cases.case_id"), nullable=False),
    Column("user_id", Id, ForeignKey("users.user_id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("lane", String(80), comment="where the case went"),
    Column("note", Text, nullable=False, server_default=""),
    Column("happened_at", Moment, nullable=False),
    CheckConstraint(
        "kind IN ('touched', 'skipped', 'held', 'resumed', 'released', 'handed_over', 'escalated', 'recalled')",
        name="kind",
    ),
    Index("ix_case_steps_case", "case_id", "happened_at"),
    Index("ix_case_steps_time", "happened_at"),
)

case_evidence = Table(
    "case_evidence",
    metadata,
    Column("case_id", Id, ForeignKey("cases.case_id"), primary_key=True),
    Column("model_version", Text, nullable=False, comment="of the bundle that was asked"),
    Column("body", Json, nullable=False, comment="places in the text with their weight by policy; no words"),
    Column("made_at", Moment, nullable=False),
)

decision_tallies = Table(
    "decision_tallies",
    metadata,
    Column("policy", Text, primary_key=True, comment="decisions with a finding on it; '' for all, with one or without"),
    Column("hour", String(13), primary_key=True, comment="of the decisions, as in 2026-01-31T23"),
    Column("market", Text, primary_key=True, comment="'' where the listing names none"),
    Column("by_model", Boolean, primary_key=True),
    Column("outcome", String(16), primary_key=True),
    Column("decisions", Integer, nullable=False),
)

tally_marks = Table(
    "tally_marks",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("last", Id, nullable=False, comment="the last decision that is counted, by its id; so are all before it"),
)

blocked_prints = Table(
    "blocked_prints",
    metadata,
    Column("decision_id", Id, ForeignKey("decisions.decision_id"), primary_key=True),
    Column("listing_id", Text, nullable=False),
    Column("policies", Json, nullable=False, comment="the policy codes that it was blocked for"),
    Column("print", LargeBinary, nullable=False, comment="the fingerprint of its text"),
    Column("version", Integer, nullable=False, comment="of the way in which the print was made"),
    Column("made_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False, comment="when it was made, or withdrawn"),
    Column("withdrawn", Boolean, nullable=False, server_default=text("false"), comment="the block was overridden"),
    Index("ix_blocked_prints_changed", "changed_at"),
)

reviews = Table(
    "reviews",
    metadata,
    Column("review_id", Id, primary_key=True),
    Column("case_id", Id, ForeignKey("cases.case_id"), nullable=False),
    Column("user_id", Id, ForeignKey("users.user_id"), nullable=False),
    Column("verdict", String(16), nullable=False, comment="'undone' takes back the review named in `undoes`"),
    Column("policies", Json, nullable=False, comment="the policy codes that the listing violates"),
    Column("note", Text, nullable=False, server_default=""),
    Column("claimed_at", Moment, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Column("decision_id", Id, ForeignKey("decisions.decision_id"), comment="the ledger row that this review wrote"),
    Column("undoes", Id, ForeignKey("reviews.review_id"), unique=True),
    Column("erased_at", Moment, comment="when its note was erased"),
    Column("batch_id", Id, comment="the same for all reviews that were decided together"),
    Column("decided_together", Integer, nullable=False, server_default="1", comment="how many those were"),
    CheckConstraint("verdict IN ('violation', 'compliant', 'undone')", name="verdict"),
    Index("ix_reviews_case", "case_id", "decided_at"),
    Index("ix_reviews_user", "user_id", "decided_at"),
    Index("ix_reviews_decision", "decision_id"),
    Index("ix_reviews_batch", "batch_id"),
)

golden_items = Table(
    "golden_items",
    metadata,
    Column("golden_id", Id, primary_key=True),
    Column("decision_id", Id, ForeignKey("decisions.decision_id"), nullable=False, comment="the model's, as reviewed"),
    Column("verdict", String(16), nullable=False, comment="what was agreed on"),
    Column("policies", Json, nullable=False),
    Column("why", Text, nullable=False),
    Column("added_by", Id, ForeignKey("users.user_id"), nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("retired_at", Moment),
    Column("retired_by", Id, ForeignKey("users.user_id"), comment="null where an erasure retired it"),
    CheckConstraint("verdict IN ('violation', 'compliant')", name="verdict"),
    Index(
        "ix_golden_items_decision",
        "decision_id",
        unique=True,
        sqlite_where=text("retired_at IS NULL"),
        postgresql_where=text("retired_at IS NULL"),
    ),
    Index("ix_golden_items_added", "added_at"),
)

golden_cases = Table(
    "golden_cases",
    metadata,
    Column("case_id", Id, ForeignKey("cases.case_id"), primary_key=True),
    Column("golden_id", Id, ForeignKey("golden_items.golden_id"), nullable=False),
    Column("user_id", Id, ForeignKey("users.user_id"), nullable=False, comment="into whose work it was mixed"),
    Column("instead_of", Id, nullable=False, comment="the case that it came before; that one may be archived sooner"),
    Index("ix_golden_cases_user", "user_id"),
    Index("ix_golden_cases_golden", "golden_id"),
)

disagreements = Table(
    "disagreements",
    metadata,
    Column("case_id", Id, ForeignKey("cases.case_id"), primary_key=True, comment="the escalation that settles it"),
    Column("decision_id", Id, ForeignKey("decisions.decision_id"), nullable=False),
    Column("first_review_id", Id, ForeignKey("reviews.review_id"), nullable=False),
    Column("second_review_id", Id, ForeignKey("reviews.review_id"), nullable=False),
    Column("found_at", Moment, nullable=False),
    Index("ix_disagreements_decision", "decision_id"),
    Index("ix_disagreements_found", "found_at"),
)

calibration_entries = Table(
    "calibration_entries",
    metadata,
    Column("entry_id", Id, primary_key=True),
    Column("decision_id", Id, ForeignKey("decisions.decision_id"), nullable=False, comment="that people disagreed on"),
    Column("user_id", Id, ForeignKey("users.user_id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("verdict", String(16), comment="what the session came to, or what the example shows"),
    Column("policies", Json, nullable=False),
    Column("title", Text, nullable=False, server_default="", comment="of the example"),
    Column("text", Text, nullable=False, server_default=""),
    Column("written_at", Moment, nullable=False),
    Column("erased_at", Moment, comment="when its words were erased"),
    CheckConstraint("kind IN ('comment', 'verdict', 'example')", name="kind"),
    CheckConstraint("verdict IN ('violation', 'compliant')", name="verdict"),
    Index("ix_calibration_entries_decision", "decision_id", "written_at"),
)

events = Table(
    "events",
    metadata,
    Column("event_id", Id, primary_key=True),
    Column("kind", String(48), nullable=False),
    Column("body", Json, nullable=False),
    Column("happened_at", Moment, nullable=False),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("endpoint_id", Id, primary_key=True),
    Column("url", Text, nullable=False),
    Column("kinds", Text, comment="the kinds of events it is sent, comma-separated; null for all"),
    Column("state", String(8), nullable=False),
    Column("state_reason", Text, nullable=False, server_default="", comment="why it was disabled"),
    Column("state_since", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("secret", Text, comment="whsec_ and base64: needed to sign, so kept as it is; null once removed"),
    Column("old_secret", Text, comment="signs beside the new one until old_secret_until"),
    Column("old_secret_until", Moment),
    Column("failing_since", Moment, comment="the first failure after the last success"),
    Column("paused_until", Moment),
    CheckConstraint("state IN ('enabled', 'disabled', 'removed')", name="state"),
    Index(
        "ix_webhook_endpoints_url",
        "url",
        unique=True,
        sqlite_where=text("state <> 'removed'"),
        postgresql_where=text("state <> 'removed'"),
    ),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("endpoint_id", Id, ForeignKey("webhook_endpoints.endpoint_id"), primary_key=True),
    Column("event_id", Id, ForeignKey("events.event_id"), primary_key=True),
    Column("state", String(9), nullable=False),
    Column("queued_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False, comment="a claim puts it off to the end of its lease"),
    Column("attempts", Integer, nullable=False, server_default="0", comment="begun, the one under way included"),
    Column("attempted_at", Moment),
    Column("result", Text, nullable=False, server_default="", comment="what came of the last attempt"),
    CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="state"),
    Index(
        "ix_deliveries_due",
        "endpoint_id",
        "due_at",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    Index("ix_deliveries_state", "endpoint_id", "state", "queued_at"),
    Index("ix_deliveries_event", "event_id"),
)

shadow_comparisons = Table(
    "shadow_comparisons",
    metadata,
    Column("shadow_version", Text, primary_key=True),
    Column("model_version", Text, primary_key=True, comment="of the bundle that answered"),
    Column("before", String(16), primary_key=True, comment="the outcome that was answered"),
    Column("after", String(16), primary_key=True, comment="the outcome that the shadow would have given"),
    Column("compared", Integer, nullable=False),
    Column("disagreed", Integer, nullable=False, comment="of those, where an outcome or a band differs"),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
)

shadow_disagreements = Table(
    "shadow_disagreements",
    metadata,
    Column("shadow_version", Text, primary_key=True),
    Column("decision_id", Id, ForeignKey("decisions.decision_id"), primary_key=True),
    Column("outcome", String(16), nullable=False, comment="what the shadow would have decided"),
    Column("assessment", Json, nullable=False, comment="the shadow's, as in decisions"),
    Column("compared_at", Moment, nullable=False),
    Index("ix_shadow_disagreements_decision", "decision_id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("api_key_id", Id, ForeignKey("api_keys.key_id"), primary_key=True),
    Column("idempotency_key", String(255), primary_key=True),
    Column("request_digest", String(64), nullable=False),
    Column("answer", LargeBinary, nullable=False, comment="the JSON that was answered"),
    Column("stored_at", Moment, nullable=False),
    Index("ix_idempotency_keys_age", "stored_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False, unique=True, comment="SHA-256; the key itself is never stored"),
    Column("scope", String(16), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("expires_at", Moment, comment="null: when it is revoked"),
    Column("listings_per_s", Float, comment="null: as fast as it likes"),
    CheckConstraint("scope IN ('score', 'read')", name="scope"),
    Index(
        "ix_api_keys_name",
        "name",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
)

users = Table(
    "users",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("password_hash", Text, nullable=False, comment="argon2id, in its encoded form"),
    Column("created_at", Moment, nullable=False),
    Column("teams", Json, nullable=False, server_default="[]", comment="names of the teams that the person is in"),
    Column("disabled", Boolean, nullable=False, server_default=text("false")),
    Column("failed_logins", Integer, nullable=False, server_default="0"),
    Column("locked_until", Moment),
    Column("one_time_until", Moment, comment="a password for the first log in, good until then; null: a chosen one"),
    Column("issuer", Text, comment="of the identity provider that vouches for this person"),
    Column("subject", Text, comment="what that provider calls the person, never used for another"),
    UniqueConstraint("name"),
    CheckConstraint("role IN ('moderator', 'senior', 'manager', 'engineer', 'auditor', 'admin')", name="role"),
    Index("ix_users_subject", "issuer", "subject", unique=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True, comment="SHA-256 of the cookie's token"),
    Column("user_id", Id, ForeignKey("users.user_id"), nullable=False),
    Column("csrf_token", String(64), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False, comment="the last request, to the minute"),
    Column("expires_at", Moment, nullable=False),
    Column("browser", Text, nullable=False, comment="as in Firefox on Linux, for its owner to know it again"),
    Index("ix_sessions_user", "user_id"),
)

views = Table(
    "views",
    metadata,
    Column("view_id", Id, primary_key=True, comment="one for all listings that a page showed at once"),
    Column("decision_id", Id, primary_key=True, comment="names the listing; it may be archived since"),
    Column("user_id", Id, ForeignKey("users.user_id"), nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("page", String(16), nullable=False),
    Column("case_id", Id, comment="the case that the page was about, if it was about one"),
    Index("ix_views_user", "user_id", "view_id"),
    Index("ix_views_decision", "decision_id"),
    Index("ix_views_case", "case_id"),
)

audit_seals = Table(
    "audit_seals",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False, comment="from 1, without a gap"),
    Column("made_at", Moment, nullable=False),
    Column("settled_at", Moment, comment="all rows from before are sealed; null while the first pass is under way"),
    Column("leaves", Integer, nullable=False),
    Column("root", String(64), nullable=False, comment="of the Merkle tree of its leaves (RFC 6962), SHA-256"),
    Column("previous", String(64), nullable=False, comment="the hash of the seal before"),
    Column("hash", String(64), nullable=False, unique=True, comment="SHA-256 of all of the above"),
)

audit_leaves = Table(
    "audit_leaves",
    metadata,
    Column("seal", Integer, ForeignKey("audit_seals.number"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False, comment="in the seal, from 0"),
    Column("kind", String(8), nullable=False),
    Column("row_id", Id, nullable=False, unique=True, comment="the id of a decision, a review or an act"),
    Column("hash", LargeBinary, nullable=False, comment="of what is kept for good, and of the commitment"),
    Column("commitment", LargeBinary, nullable=False, comment="SHA-256 of the salt and of what may be erased"),
    Column("salt", LargeBinary, comment="null once it was erased"),
    Column("erased_by", Id, comment="the act that erased it"),
    Column("archived", String(7), comment="the month of the archive that the row is in, as in 2026-01"),
    CheckConstraint("kind IN ('decision', 'review', 'act')", name="kind"),
)

audit_acts = Table(
    "audit_acts",
    metadata,
    Column("act_id", Id, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("actor", Text, nullable=False),
    Column("body", Json, nullable=False),
    Column("happened_at", Moment, nullable=False),
    CheckConstraint("kind IN ('erasure', 'archive', 'late_seal')", name="kind"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("erasure_id", Id, primary_key=True),
    Column("seller_id", Text, nullable=False, unique=True, comment="gone with the row when the erasure is done"),
    Column("pseudonym", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False, comment="makes pseudonyms that nobody can link once it is gone"),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("begun_at", Moment, nullable=False),
)
