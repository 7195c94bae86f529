"""Keys are looked up once, remembered for seconds, and refused when they are none."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import event

from fairstall.model.errors import Forbidden, StoreUnavailable, Unauthorized
from fairstall.records.keys import Scope, create_key, revoke_key
from fairstall.serving.app import utc_now
from fairstall.serving.authenticator import Authenticator
from fairstall.serving.lookups import Lookups

LOOKUPS = Lookups(within_s=30)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def secret(sqlite_engine):
    return create_key(sqlite_engine, "shop", Scope.SCORE, now=utc_now()).secret


@pytest.fixture
def lookups(sqlite_engine):
    """Every statement that reached the store."""
    seen: list[str] = []
    event.listen(sqlite_engine, "before_cursor_execute", lambda _c, _cur, statement, *_: seen.append(statement))
    return seen


def ask(authenticator, secret, needs=Scope.SCORE):
    return authenticator.key(f"Bearer {secret}", needs=needs)


def test_many_requests_at_once_ask_the_store_once(sqlite_engine, secret, lookups):
    authenticator = Authenticator(sqlite_engine, remembered_s=5, lookups=LOOKUPS, now=utc_now)

    async def many():
        return await asyncio.gather(*(ask(authenticator, secret) for _ in range(20)))

    assert {key.name for key in asyncio.run(many())} == {"shop"}
    assert len([one for one in lookups if "api_keys" in one]) == 1


def test_a_key_is_remembered_and_then_asked_for_again(sqlite_engine, secret, lookups):
    clock = Clock()
    authenticator = Authenticator(sqlite_engine, remembered_s=5, lookups=LOOKUPS, clock=clock, now=utc_now)
    asyncio.run(ask(authenticator, secret))
    revoke_key(sqlite_engine, "shop", now=utc_now())
    lookups.clear()
    clock.now = 4.9
    assert asyncio.run(ask(authenticator, secret)).name == "shop"
    assert lookups == []
    clock.now = 5.1
    with pytest.raises(Unauthorized, match="revoked"):
        asyncio.run(ask(authenticator, secret))


def test_a_key_made_after_it_was_refused_works_at_once(sqlite_engine):
    authenticator = Authenticator(sqlite_engine, remembered_s=5, lookups=LOOKUPS, now=utc_now)
    with pytest.raises(Unauthorized):
        asyncio.run(ask(authenticator, "fs_unknown"))
    secret = create_key(sqlite_engine, "late", Scope.READ, now=utc_now()).secret
    assert asyncio.run(ask(authenticator, secret, Scope.READ)).name == "late"
    with pytest.raises(Forbidden, match="scope read"):
        asyncio.run(ask(authenticator, secret, Scope.SCORE))


@pytest.mark.parametrize("header", [None, "", "Bearer ", "Basic abc", "Bearer token", "Bearer fs_" + "x" * 1_000])
def test_what_is_no_key_never_reaches_the_store(sqlite_engine, lookups, header):
    with pytest.raises(Unauthorized):
        asyncio.run(
            Authenticator(sqlite_engine, remembered_s=5, lookups=LOOKUPS, now=utc_now).key(header, needs=Scope.READ)
        )
    assert lookups == []


def test_a_store_that_is_gone_is_no_reason_to_refuse_a_known_key(sqlite_engine, secret, tmp_path):
    authenticator = Authenticator(sqlite_engine, remembered_s=5, lookups=LOOKUPS, now=utc_now)
    asyncio.run(ask(authenticator, secret))
    (tmp_path / "records.sqlite").rename(tmp_path / "aside.sqlite")
    assert asyncio.run(ask(authenticator, secret)).name == "shop"
    with pytest.raises(StoreUnavailable):
        asyncio.run(ask(authenticator, "fs_other"))


def test_a_key_that_expired_is_refused_at_once_although_it_is_remembered(sqlite_engine):
    moments = [utc_now()]
    authenticator = Authenticator(sqlite_engine, remembered_s=3_600, lookups=LOOKUPS, now=lambda: moments[-1])
    ends = moments[0] + timedelta(minutes=1)
    secret = create_key(sqlite_engine, "guest", Scope.SCORE, now=moments[0], expires_at=ends).secret
    assert asyncio.run(ask(authenticator, secret)).name == "guest"
    moments.append(ends)
    with pytest.raises(Unauthorized, match="'guest' expired"):
        asyncio.run(ask(authenticator, secret))
