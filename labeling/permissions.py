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

    OWN_ACCOUNT = "use the own account"
    SEE_QUEUE = "see the queue"
    REVIEW = "decide cases"
    SEE_DECISIONS = "see everybody's decisions"
    SEE_TRENDS = "see trends"
    SETTLE_ESCALATIONS = "settle escalated cases and give cases out"
    DECIDE_TOGETHER = "decide many cases at once"
    SEE_QUALITY = "see how well everybody reviews"
    CALIBRATE = "hold calibration sessions and make golden items"
    SEE_VIEWS = "see who looked at what"
    MANAGE_USERS = "manage users"


_EVERYBODY = frozenset({Permission.OWN_ACCOUNT, Permission.SEE_QUEUE})
_LEADS = _EVERYBODY | {
    Permission.REVIEW,
    Permission.SEE_DECISIONS,
    Permission.SEE_TRENDS,
    Permission.SETTLE_ESCALATIONS,
    Permission.DECIDE_TOGETHER,
    Permission.SEE_QUALITY,
    Permission.CALIBRATE,
}

# A moderator does not see other people's decisions: a second review would not be blind any more.
PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.MODERATOR: _EVERYBODY | {Permission.REVIEW},
    Role.SENIOR: _LEADS,
    Role.MANAGER: _LEADS,
    Role.ENGINEER: _EVERYBODY | {Permission.SEE_TRENDS},
    Role.AUDITOR: _EVERYBODY
    | {Permission.SEE_DECISIONS, Permission.SEE_TRENDS, Permission.SEE_QUALITY, Permission.SEE_VIEWS},
    Role.ADMIN: frozenset(Permission),
}


def may(role: Role, permission: Permission) -> bool:
    return permission in PERMISSIONS[role]
