"""Lanes of the queue: whose turn a case is. A case is in one lane, and a person takes cases from several."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, literal

from fairstall.labeling.permissions import Permission, may

if TYPE_CHECKING:
    from fairstall.labeling.accounts import User

SHARED = "all"
SENIOR = "senior"
_USER, _TEAM = "user:", "team:"


def lane_of_person(user_id: str) -> str:
    return f"{_USER}{user_id}"


def lane_of_any_person(user_id: ColumnElement[str]) -> ColumnElement[Any]:
    """The same for a column, to find the person whose lane it is."""
    return literal(_USER) + user_id


def lane_of_team(team: str) -> str:
    return f"{_TEAM}{team}"


def lanes_of(user: "User") -> tuple[str, ...]:
    """The lanes that somebody takes cases from; of them all, the most urgent case comes first."""
    escalated = (SENIOR,) if may(user.role, Permission.SETTLE_ESCALATIONS) else ()
    return (SHARED, lane_of_person(user.user_id), *(lane_of_team(team) for team in user.teams), *escalated)


def told_lane(lane: str, addressee: str | None) -> str:
    """A lane in words. `addressee` is the name of the person whose lane it is."""
    if lane.startswith(_USER):
        return f"@{addressee}" if addressee else "somebody"
    if lane.startswith(_TEAM):
        return f"the team {lane.removeprefix(_TEAM)}"
    return {SHARED: "everybody", SENIOR: "the seniors"}[lane]
