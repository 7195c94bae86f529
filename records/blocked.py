"""Fingerprints of blocked listings: kept and withdrawn with the decision, read by who looks for near-duplicates.

How a fingerprint is made is `model.fingerprint`'s; those of other versions are passed over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, func, insert, select, update

from fairstall.model.decide import Band, Source
from fairstall.model.decision import Assessment, Decision
from fairstall.model.fingerprint import VERSION
from fairstall.model.wire import iso_utc
from fairstall.records.engine import reading
from fairstall.records.tables import blocked_prints

_BY_RULE = (Source.RULE, Source.BOTH)


@dataclass(frozen=True, slots=True)
class Blocked:
    """A decision that blocks, with the listing's fingerprint, None for a text too short, and the policies it names.

    Without any, they are those for which the model side blocked.
    """

    decision: Decision
    fingerprint: bytes | None
    policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockedPrint:
    """A stored fingerprint; `withdrawn` when its block no longer stands. `changed_at` as `iso_utc` writes it."""

    decision_id: str
    policies: tuple[str, ...]
    fingerprint: bytes
    withdrawn: bool
    changed_at: str


class BlockedPrints:
    """The fingerprints of one store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def newest(self, most: int) -> list[BlockedPrint]:
        """The last `most` that stand, oldest first."""
        standing = _PRINTS.where(~blocked_prints.c.withdrawn)
        query = standing.order_by(blocked_prints.c.changed_at.desc(), blocked_prints.c.decision_id.desc()).limit(most)
        return self._read(query)[::-1]

    def last_change(self) -> str | None:
        """When the last one was made or withdrawn, as `iso_utc` writes it."""
        with reading(self._engine) as connection:
            last: str | None = connection.execute(select(func.max(blocked_prints.c.changed_at))).scalar_one()
        return last

    def changed_since(self, moment: str) -> list[BlockedPrint]:
        """Those that were made or withdrawn at `moment` (`iso_utc`) or later, oldest first."""
        query = _PRINTS.where(blocked_prints.c.changed_at >= moment)
        return self._read(query.order_by(blocked_prints.c.changed_at, blocked_prints.c.decision_id))

    def _read(self, query: Select[Any]) -> list[BlockedPrint]:
        with reading(self._engine, patient=True) as connection:
            return [_blocked_print(row) for row in connection.execute(query)]


def keep_prints(connection: Connection, blocked: Sequence[Blocked]) -> None:
    """Store what later listings are compared with, inside the transaction of the decisions."""
    if rows := [_row(one) for one in blocked if one.fingerprint]:
        connection.execute(insert(blocked_prints), rows)


def withdraw_prints(connection: Connection, decision_ids: Sequence[str], now: datetime) -> None:
    """Blocks that are overridden are nothing to be compared with."""
    theirs = update(blocked_prints).where(blocked_prints.c.decision_id.in_(decision_ids))
    connection.execute(theirs.values(withdrawn=True, changed_at=iso_utc(now)))


def policies_of_override(connection: Connection, overridden: Decision) -> tuple[str, ...]:
    """For what a block is restored: the policies of the block that `overridden` had lifted, or else its findings'."""
    lifted = select(blocked_prints.c.policies).where(blocked_prints.c.decision_id == overridden.overrides)
    found = connection.execute(lifted).scalar_one_or_none()
    return tuple(found or policies_blocked_for(overridden.assessment))


def policies_blocked_for(assessment: Assessment) -> tuple[str, ...]:
    """The policies certified to block, or else those that a rule spoke of, or else all that were found."""
    findings = assessment.findings
    certified = [finding.policy for finding in findings if finding.band is Band.HIGH]
    by_rule = [finding.policy for finding in findings if finding.source in _BY_RULE]
    return tuple(certified or by_rule or [finding.policy for finding in findings])


def _row(blocked: Blocked) -> dict[str, Any]:
    decision = blocked.decision
    return {
        "decision_id": decision.decision_id,
        "listing_id": decision.listing_id,
        "policies": list(blocked.policies or policies_blocked_for(decision.assessment)),
        "print": blocked.fingerprint,
        "version": VERSION,
        "made_at": iso_utc(decision.decided_at),
        "changed_at": iso_utc(decision.decided_at),
    }


_PRINTS = select(blocked_prints).where(blocked_prints.c.version == VERSION)


def _blocked_print(row: Row[Any]) -> BlockedPrint:
    return BlockedPrint(row.decision_id, tuple(row.policies), row.print, row.withdrawn, row.changed_at)
