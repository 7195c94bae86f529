"""Which part of the past a page is about: a period cut into hours or days, and if wanted one market and one policy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from enum import Enum
from urllib.parse import urlencode

from fairstall.model.errors import InputError
from fairstall.model.wire import iso_utc

PERIODS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days"}
DEFAULT_PERIOD = "7d"
LONGEST = timedelta(days=400)
_HOURS_UP_TO = timedelta(days=3)
_DAYS_BACK = {"7d": 6, "30d": 29, "90d": 89}


class Step(Enum):
    """How the period is cut: how long a piece is, and how many characters of a time in RFC 3339 name it."""

    HOUR = (timedelta(hours=1), 13)
    DAY = (timedelta(days=1), 10)

    @property
    def length(self) -> timedelta:
        return self.value[0]

    @property
    def characters(self) -> int:
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Scope:
    """From `since`, the beginning of an hour, until before `until`, both in UTC; of all markets and policies where none
    is named. `step` is how it is cut.
    """

    since: datetime
    until: datetime
    market: str | None = None
    policy: str | None = None
    step: Step = Step.DAY

    @property
    def pieces(self) -> tuple[datetime, ...]:
        """The beginning of each hour or day in it."""
        count = -((self.since - self.until) // self.step.length)
        return tuple(self.since + number * self.step.length for number in range(count))

    def key(self, piece: datetime) -> str:
        """What the stored times in a piece begin with."""
        return iso_utc(piece)[: self.step.characters]

    def within(self, piece: datetime) -> "Scope":
        """The one piece, as a scope of its own."""
        return replace(self, since=piece, until=min(piece + self.step.length, self.until))

    def before(self, moment: datetime | None) -> "Scope":
        """What of it lies before `moment`, if there is one."""
        return self if moment is None else replace(self, until=max(self.since, min(self.until, moment)))


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody chose on the page: a period by its name, or two days, and what to narrow it to."""

    period: str
    first_day: str = ""
    last_day: str = ""
    market: str = ""
    policy: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Asked":
        """From the query of an address. Raises InputError for a period that there is not."""
        check_query(query)
        days = query.get("from", ""), query.get("to", "")
        period = query.get("period") or ("custom" if any(days) else DEFAULT_PERIOD)
        if period not in (*PERIODS, "custom"):
            raise InputError(f"There is no period '{period[:20]}': it is one of {', '.join(PERIODS)} or custom.")
        kept = days if period == "custom" else ("", "")
        return cls(period, *kept, market=query.get("market", ""), policy=query.get("policy", ""))

    @property
    def query(self) -> str:
        """The same as the query of an address."""
        named = {
            "period": self.period,
            "from": self.first_day,
            "to": self.last_day,
            "market": self.market,
            "policy": self.policy,
        }
        return urlencode({name: value for name, value in named.items() if value})

    def scope(self, now: datetime) -> Scope:
        """The part of the past that is meant at `now`. Raises InputError for days that make no period."""
        since, until = self._custom(now) if self.period == "custom" else (_since(self.period, now), now)
        step = Step.HOUR if until - since <= _HOURS_UP_TO else Step.DAY
        return Scope(since, until, self.market or None, self.policy or None, step)

    def _custom(self, now: datetime) -> tuple[datetime, datetime]:
        last = _day(self.last_day) if self.last_day else now
        since = _day(self.first_day) if self.first_day else _midnight(last)
        until = min(_midnight(last) + timedelta(days=1), now)
        if since >= until:
            raise InputError("The period ends before it begins, or lies in the future.")
        if until - since > LONGEST:
            raise InputError(f"The period is longer than {LONGEST.days} days.")
        return since, until


def moment_of_query(text: str, otherwise: datetime) -> datetime:
    """A time of an address, in UTC. Raises InputError for what is none."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else otherwise
    except (ValueError, OverflowError) as error:
        raise InputError(f"'{text[:40]}' is no time: write it as in 2026-01-31T12:00:00Z.") from error


def check_query(query: Mapping[str, str]) -> None:
    """Raises InputError for characters that neither a database nor a drawing takes."""
    for name, value in query.items():
        if not value.isprintable():
            raise InputError(f"The value of '{name[:20]}' has characters that cannot be seen.")


def _since(period: str, now: datetime) -> datetime:
    if period in _DAYS_BACK:
        return _midnight(now) - timedelta(days=_DAYS_BACK[period])
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=23)


def _day(text: str) -> datetime:
    try:
        return _midnight(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC))
    except ValueError as error:
        raise InputError(f"'{text[:20]}' is no day: write it as in 2026-01-31.") from error


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time(), UTC)
