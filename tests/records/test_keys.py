"""API keys: shown once, kept as a digest, revoked for good."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from fairstall.model.errors import Conflict, InputError, NotFound
from fairstall.records.engine import reading
from fairstall.records.keys import KEY_PREFIX, Scope, create_key, find_key, list_keys, revoke_key
from fairstall.records.tables import api_keys

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_a_key_is_found_by_its_secret_and_the_secret_is_nowhere(engine):
    new = create_key(engine, "shop", Scope.SCORE, now=NOW)
    assert new.secret.startswith(KEY_PREFIX)
    assert len(new.secret) == 46
    found = find_key(engine, new.secret)
    assert found is not None
    assert (found.key_id, found.name, found.scope, found.created_at) == (new.key_id, "shop", Scope.SCORE, NOW)
    with reading(engine) as connection:
        assert new.secret not in str(connection.execute(select(api_keys)).all())


def test_no_other_secret_finds_it(engine):
    secret = create_key(engine, "shop", Scope.READ, now=NOW).secret
    assert find_key(engine, secret[:-1]) is None
    assert find_key(engine, "") is None
    assert find_key(engine, secret.upper()) is None


def test_a_revoked_key_is_not_found_and_its_name_is_free(engine):
    first = create_key(engine, "shop", Scope.SCORE, now=NOW)
    revoke_key(engine, "shop", now=NOW)
    assert find_key(engine, first.secret) is None
    second = create_key(engine, "shop", Scope.READ, now=NOW)
    assert [(key.key_id, key.revoked_at) for key in list_keys(engine)] == sorted(
        [(first.key_id, NOW), (second.key_id, None)]
    )


def test_a_name_is_used_by_one_key_at_a_time(engine):
    create_key(engine, "shop", Scope.SCORE, now=NOW)
    with pytest.raises(Conflict, match="shop"):
        create_key(engine, "shop", Scope.READ, now=NOW)


def test_a_key_that_is_not_there_cannot_be_revoked(engine):
    with pytest.raises(NotFound, match="shop"):
        revoke_key(engine, "shop", now=NOW)


def test_a_key_keeps_its_end_and_its_rate(engine):
    ends = NOW + timedelta(days=30)
    new = create_key(engine, "guest", Scope.SCORE, now=NOW, expires_at=ends, listings_per_s=2.5)
    found = find_key(engine, new.secret)
    assert found is not None
    assert (found.expires_at, found.listings_per_s) == (ends, 2.5)
    assert not found.expired(NOW)
    assert found.expired(ends)


@pytest.mark.parametrize(
    "never", [{"expires_at": NOW}, {"listings_per_s": 0.0}, {"listings_per_s": float("nan")}, {"listings_per_s": -1.0}]
)
def test_a_key_that_would_never_work_is_not_made(engine, never):
    with pytest.raises(InputError):
        create_key(engine, "shop", Scope.SCORE, now=NOW, **never)
    assert list_keys(engine) == []
