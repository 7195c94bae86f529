"""Accounts in the console: what administrators do for others, and everybody for himself; sessions and their ends."""

import re
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from fairstall.cli.settings import DEFAULT_IDLE_MINUTES, DEFAULT_SESSION_HOURS
from fairstall.labeling.accounts import FAILURES_BEFORE_LOCK
from fairstall.labeling.permissions import Role
from fairstall.labeling.sessions import DEFAULT_LIMITS, SessionLimits, Sessions
from fairstall.model.errors import Conflict, Unauthorized
from fairstall.records.engine import reading
from fairstall.records.tables import sessions, users

PASSWORD = "three blind moderators"
NEW = "another good password"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"


def csrf_of(page: httpx.Response) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', page.text)[1]


def words_of(page: httpx.Response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


@contextmanager
def signed_in(console, name="boss", password=PASSWORD):
    with httpx.Client(base_url=console, follow_redirects=True, headers={"User-Agent": FIREFOX}) as client:
        client.post("/login", data={"name": name, "password": password})
        yield client


def press(client, page, path, **fields) -> httpx.Response:
    return client.post(path, data={"csrf": csrf_of(client.get(page))} | fields)


def change_password(client, present, new, again=None) -> httpx.Response:
    return press(client, "/account", "/account/password", present=present, new=new, again=again or new)


def one_time_password(page: httpx.Response) -> str:
    return re.search(r'<output class="password">([^<]+)</output>', page.text)[1]


def row_of(store, name):
    with reading(store.engine) as connection:
        return connection.execute(select(users).where(users.c.name == name)).one()


@pytest.fixture
def boss(sqlite_store):
    return sqlite_store.user("boss", Role.ADMIN)


def test_an_administrator_adds_somebody_who_has_to_choose_a_password_at_once(console, sqlite_store, boss):
    with signed_in(console) as client:
        page = press(client, "/users", "/users", name="Noor", role="senior")
        password = one_time_password(page)
        assert password not in client.get("/users/noor").text
    assert (row_of(sqlite_store, "noor").role, len(password)) == ("senior", 16)
    with signed_in(console, "noor", password) as client:
        assert client.get("/queue").url.path == "/console/account"
        assert change_password(client, password, NEW).url.path == "/console/account"
        assert client.get("/queue").url.path == "/console/queue"
    with signed_in(console, "noor", password) as client:
        assert client.get("/queue").url.path == "/console/login"


def test_a_one_time_password_runs_out(store):
    invitation = store.accounts.invite("noor", Role.MODERATOR)
    store.clock.advance(days=3)
    with pytest.raises(Unauthorized):
        store.accounts.log_in("noor", invitation.password)
    again = store.accounts.reset_password("noor")
    assert store.accounts.log_in("noor", again.password).one_time


def test_a_name_that_is_taken_or_no_name_is_refused_on_the_same_page(console, sqlite_store, boss):
    with signed_in(console) as client:
        taken = press(client, "/users", "/users", name="boss", role="senior")
        odd = press(client, "/users", "/users", name='"><b>', role="senior")
        no_role = press(client, "/users", "/users", name="noor", role="king")
    assert [page.status_code for page in (taken, odd, no_role)] == [422] * 3
    assert "there is already a user called boss" in taken.text
    assert "is no name for a person" in odd.text
    assert "<b>" not in odd.text
    assert "choose a role" in no_role.text


def test_every_change_of_an_account_ends_its_sessions(console, sqlite_store, boss):
    sqlite_store.user("noor")
    for path, fields in (
        ("role", {"role": "senior"}),
        ("password", {}),
        ("enable", {}),
        ("disable", {}),
        ("end-sessions", {}),
    ):
        sqlite_store.accounts.enable("noor")
        sqlite_store.accounts.set_password("noor", PASSWORD)
        with signed_in(console) as client, signed_in(console, "noor") as noor:
            assert noor.get("/queue").url.path == "/console/queue"
            assert press(client, "/users/noor", f"/users/noor/{path}", **fields).status_code == 200
            assert noor.get("/queue").url.path == "/console/login", path
    assert row_of(sqlite_store, "noor").role == "senior"


def test_the_last_administrator_can_neither_leave_nor_be_shut_out(console, store):
    store.user("boss", Role.ADMIN)
    store.user("kim", Role.ADMIN)
    store.accounts.disable("kim")
    for act in (lambda: store.accounts.disable("boss"), lambda: store.accounts.set_role("boss", Role.AUDITOR)):
        with pytest.raises(Conflict, match="boss is the last administrator"):
            act()
    store.accounts.set_role("boss", Role.ADMIN)
    store.accounts.enable("kim")
    store.accounts.set_role("boss", Role.AUDITOR)
    with pytest.raises(Conflict, match="kim is the last administrator"):
        store.accounts.disable("kim")


def test_the_last_administrator_is_told_why_on_his_page(console, sqlite_store, boss):
    with signed_in(console) as client:
        page = press(client, "/users/boss", "/users/boss/disable")
        assert (page.status_code, "the last administrator" in page.text) == (409, True)
        assert client.get("/users").status_code == 200


def test_a_lock_is_shown_and_lifted(console, sqlite_store, boss):
    sqlite_store.user("noor")
    for _ in range(FAILURES_BEFORE_LOCK):
        with pytest.raises(Unauthorized):
            sqlite_store.accounts.log_in("noor", "something else")
    with signed_in(console) as client:
        assert "noor moderator locked password" in words_of(client.get("/users"))
        press(client, "/users/noor", "/users/noor/enable")
    assert sqlite_store.accounts.log_in("noor", PASSWORD)


def test_somebody_unknown_is_not_found(console, boss):
    with signed_in(console) as client:
        assert client.get("/users/nobody").status_code == 404
        assert press(client, "/users", "/users/nobody/disable").status_code == 404


def test_without_an_identity_provider_nobody_can_be_sent_there(console, sqlite_store, boss):
    with signed_in(console) as client:
        assert client.get("/sso").status_code == 404
        assert press(client, "/users/boss", "/users/boss/single-sign-on").status_code == 409
        press(client, "/users", "/users", name="noor", role="senior", by="provider")
    assert row_of(sqlite_store, "noor").password_hash.startswith("$argon2id$")


def test_changing_the_password_ends_all_sessions_and_begins_a_new_one(console, sqlite_store):
    sqlite_store.user("noor")
    with signed_in(console, "noor") as elsewhere, signed_in(console, "noor") as here:
        before = here.cookies["fairstall_session"]
        assert "Your password is changed" in change_password(here, PASSWORD, NEW).text
        assert here.cookies["fairstall_session"] != before
        assert here.get("/queue").url.path == "/console/queue"
        assert elsewhere.get("/queue").url.path == "/console/login"
    assert sqlite_store.accounts.log_in("noor", NEW)


@pytest.mark.parametrize(
    ("present", "new", "again", "why"),
    [
        ("something else", NEW, NEW, "not your present password"),
        (PASSWORD, NEW, "a different password", "two new passwords differ"),
        (PASSWORD, "short", "short", "needs at least 10"),
        (PASSWORD, PASSWORD, PASSWORD, "is the present one"),
    ],
)
def test_a_password_that_cannot_be_changed_stays(console, sqlite_store, present, new, again, why):
    sqlite_store.user("noor")
    with signed_in(console, "noor") as client:
        page = change_password(client, present, new, again)
        assert (page.status_code, why in page.text) == (422, True)
        assert client.get("/queue").url.path == "/console/queue"
    assert sqlite_store.accounts.log_in("noor", PASSWORD)


def test_guessing_the_present_password_locks_the_account(console, sqlite_store):
    sqlite_store.user("noor")
    with signed_in(console, "noor") as client:
        for _ in range(FAILURES_BEFORE_LOCK):
            change_password(client, "something else", NEW)
    with pytest.raises(Unauthorized):
        sqlite_store.accounts.log_in("noor", PASSWORD)


def test_ones_own_sessions_are_listed_and_ended(console, sqlite_store):
    sqlite_store.user("noor")
    with signed_in(console, "noor") as here, signed_in(console, "noor") as lost, signed_in(console, "noor") as other:
        page = here.get("/account")
        assert words_of(page).count("Firefox on Linux") == 3
        for digest in re.findall(r'name="session" value="(\w+)"', page.text)[:1]:
            press(here, "/account", "/account/end-session", session=digest)
        alive = [client.get("/queue").url.path == "/console/queue" for client in (lost, other)]
        assert sorted(alive) == [False, True]
        press(here, "/account", "/account/end-others")
        assert {client.get("/queue").url.path for client in (lost, other)} == {"/console/login"}
        assert here.get("/queue").url.path == "/console/queue"


def test_nobody_ends_a_session_of_somebody_else(console, sqlite_store, boss):
    sqlite_store.user("noor")
    with signed_in(console) as client, signed_in(console, "noor") as noor:
        with reading(sqlite_store.engine) as connection:
            theirs = select(sessions.c.digest).where(sessions.c.user_id == boss.user_id)
            digest = connection.execute(theirs).scalar_one()
        press(noor, "/account", "/account/end-session", session=digest)
        assert client.get("/queue").url.path == "/console/queue"


def test_a_session_ends_when_idle_and_at_its_longest_whatever_one_does(store):
    kim = store.user("kim")
    limits = SessionLimits(longest=timedelta(hours=3), idle=timedelta(minutes=30))
    open_sessions = Sessions(store.engine, store.clock, limits)
    idle, busy = open_sessions.open(kim), open_sessions.open(kim)
    for _ in range(8):
        store.clock.advance(minutes=20)
        open_sessions.renew(open_sessions.find(busy))
    assert open_sessions.find(idle) is None
    assert open_sessions.find(busy)
    store.clock.advance(minutes=20)
    assert open_sessions.find(busy) is None


def test_the_limits_are_those_of_the_settings():
    settings = SessionLimits(timedelta(hours=DEFAULT_SESSION_HOURS), timedelta(minutes=DEFAULT_IDLE_MINUTES))
    assert settings == DEFAULT_LIMITS


def test_a_session_that_ended_is_cleared_away_at_the_next_log_in(store):
    kim = store.user("kim")
    open_sessions = Sessions(store.engine, store.clock)
    open_sessions.open(kim)
    store.clock.advance(hours=2)
    open_sessions.open(kim)
    with reading(store.engine) as connection:
        assert len(connection.execute(select(sessions)).all()) == 1


def test_a_request_within_a_minute_writes_nothing(store):
    open_sessions = Sessions(store.engine, store.clock)
    token = open_sessions.open(store.user("kim"))
    begun = open_sessions.find(token).seen_at
    store.clock.advance(seconds=50)
    open_sessions.renew(open_sessions.find(token))
    assert open_sessions.find(token).seen_at == begun
    store.clock.advance(seconds=20)
    open_sessions.renew(open_sessions.find(token))
    assert open_sessions.find(token).seen_at > begun


def test_a_page_that_refreshes_itself_keeps_nobody_logged_in(console, sqlite_store):
    sqlite_store.user("noor")
    with signed_in(console, "noor") as client:
        for _ in range(4):
            sqlite_store.clock.advance(minutes=14)
            assert client.get("/queue?refresh=").url.path == "/console/queue"
        sqlite_store.clock.advance(minutes=14)
        assert client.get("/queue?refresh=").url.path == "/console/login"


def test_work_keeps_somebody_logged_in(console, sqlite_store):
    sqlite_store.user("noor")
    sqlite_store.open_case()
    with signed_in(console, "noor") as client:
        case = client.post("/next", data={"csrf": csrf_of(client.get("/queue"))})
        for _ in range(4):
            sqlite_store.clock.advance(minutes=40)
            beat = client.post(f"{case.url.path.removeprefix('/console')}/heartbeat", data={"csrf": csrf_of(case)})
            assert beat.status_code == 204
