"""Who may do what: roles and permissions in one table. Asking for it is the business of the pages."""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    MODERATOR = "moderator"
    SENIOR = "senior"
    MANAGER = "manager"
    ENGINEER = "engineer"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a page or an action asks for."""

    SEE_QUEUE = "see the queue"
    REVIEW = "decide cases"
    SEE_DECISIONS = "see everybody's decisions"
    SEE_TRENDS = "see trends"
    SETTLE_ESCALATIONS = "settle escalated cases and give cases out"


# A moderator does not see other people's decisions: a second review would not be blind any more.
PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.MODERATOR: frozenset({Permission.SEE_QUEUE, Permission.REVIEW}),
    Role.SENIOR: frozenset(
        {
            Permission.SEE_QUEUE,
            Permission.REVIEW,
            Permission.SEE_DECISIONS,
            Permission.SEE_TRENDS,
            Permission.SETTLE_ESCALATIONS,
        }
    ),
    Role.MANAGER: frozenset(
        {
            Permission.SEE_QUEUE,
            Permission.REVIEW,
            Permission.SEE_DECISIONS,
            Permission.SEE_TRENDS,
            Permission.SETTLE_ESCALATIONS,
        }
    ),
    Role.ENGINEER: frozenset({Permission.SEE_QUEUE, Permission.SEE_TRENDS}),
    Role.AUDITOR: frozenset({Permission.SEE_QUEUE, Permission.SEE_DECISIONS, Permission.SEE_TRENDS}),
    Role.ADMIN: frozenset(Permission),
}


def may(role: Role, permission: Permission) -> bool:
    return permission in PERMISSIONS[role]
