"""Passwords, lockout and the accounts' verbs."""

import threading

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from fairstall.labeling.accounts import FAILURES_BEFORE_LOCK, Accounts
from fairstall.labeling.permissions import PERMISSIONS, Role
from fairstall.model.errors import Conflict, InputError, NotFound, Unauthorized
from fairstall.records.engine import reading
from fairstall.records.tables import users

PASSWORD = "three blind moderators"


def row_of(store, name="mira"):
    with reading(store.engine) as connection:
        return connection.execute(select(users).where(users.c.name == name)).one()


def test_a_password_is_kept_as_argon2id_with_the_recommended_cost(sqlite_store):
    Accounts(sqlite_store.engine, sqlite_store.clock).create("mira", Role.MODERATOR, PASSWORD)
    assert row_of(sqlite_store).password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_hash_of_lower_cost_is_renewed_at_the_next_log_in(sqlite_store):
    sqlite_store.user()
    dearer = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    Accounts(sqlite_store.engine, sqlite_store.clock, hasher=dearer).log_in("mira", PASSWORD)
    assert "m=16,t=2" in row_of(sqlite_store).password_hash


def test_names_are_told_apart_without_regard_to_case(store):
    store.user("mira")
    with pytest.raises(Conflict, match="already a user called mira"):
        store.user(" Mira ")
    assert store.accounts.log_in("MIRA", PASSWORD).name == "mira"


@pytest.mark.parametrize("name", ["", "a b", "-x", "ümit", "x" * 65, "a/b", "user:root"])
def test_a_name_must_be_plain(sqlite_store, name):
    with pytest.raises(InputError, match="is no name"):
        sqlite_store.user(name)


@pytest.mark.parametrize(("password", "problem"), [("short pw", "needs at least 10"), ("x" * 1_001, "more than 1000")])
def test_a_password_must_have_a_sensible_length(sqlite_store, password, problem):
    with pytest.raises(InputError, match=problem) as refused:
        sqlite_store.accounts.create("mira", Role.MODERATOR, password)
    assert password not in str(refused.value)


def test_failures_lock_an_account_and_a_success_forgets_them(store):
    store.user()
    for _ in range(3):
        for _ in range(FAILURES_BEFORE_LOCK - 1):
            with pytest.raises(Unauthorized):
                store.accounts.log_in("mira", "something else")
        store.accounts.log_in("mira", PASSWORD)
    assert (row_of(store).failed_logins, row_of(store).locked_until) == (0, None)


def test_a_locked_account_refuses_the_right_password_until_the_lock_ends(store):
    store.user()
    for _ in range(FAILURES_BEFORE_LOCK):
        with pytest.raises(Unauthorized):
            store.accounts.log_in("mira", "something else")
    with pytest.raises(Unauthorized):
        store.accounts.log_in("mira", PASSWORD)
    store.clock.advance(minutes=16)
    assert store.accounts.log_in("mira", PASSWORD).name == "mira"


def test_failures_at_the_same_time_are_all_counted(store):
    store.user()
    refused = []

    def fail() -> None:
        try:
            store.accounts.log_in("mira", "something else")
        except Unauthorized as error:
            refused.append(error)

    threads = [threading.Thread(target=fail) for _ in range(FAILURES_BEFORE_LOCK)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == FAILURES_BEFORE_LOCK
    assert row_of(store).locked_until is not None


class CountingHasher(PasswordHasher):
    """argon2 that counts how often it is asked."""

    verified = 0

    def verify(self, *args, **kwargs):
        self.verified += 1
        return super().verify(*args, **kwargs)


def test_unknown_and_disabled_names_cost_the_same_work_as_others(sqlite_store):
    hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts = Accounts(sqlite_store.engine, sqlite_store.clock, hasher=hasher)
    accounts.create("gone", Role.MODERATOR, PASSWORD)
    accounts.disable("gone")
    messages = set()
    for count, name in enumerate(("nobody", "gone", "../etc"), start=1):
        with pytest.raises(Unauthorized) as refused:
            accounts.log_in(name, PASSWORD)
        messages.add(str(refused.value))
        assert hasher.verified == count
    assert len(messages) == 1


def test_a_new_password_replaces_the_old_one(sqlite_store):
    sqlite_store.user()
    sqlite_store.accounts.set_password("mira", "another good password")
    with pytest.raises(Unauthorized):
        sqlite_store.accounts.log_in("mira", PASSWORD)
    assert sqlite_store.accounts.log_in("mira", "another good password")


def test_verbs_on_somebody_unknown_say_so(sqlite_store):
    for verb in (sqlite_store.accounts.disable, sqlite_store.accounts.enable):
        with pytest.raises(NotFound, match="no user called nobody"):
            verb("nobody")


def test_every_role_of_the_schema_is_in_the_permission_table():
    assert set(PERMISSIONS) == set(Role)
    check = next(c for c in users.constraints if str(c.name).endswith("role"))
    assert all(f"'{role}'" in str(check.sqltext) for role in Role)
