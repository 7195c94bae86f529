"""Logging in through a real identity provider, a process of its own: what opens an account here, and what does not."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from fairstall.labeling.console import utc_now
from fairstall.labeling.oidc import Provider
from fairstall.labeling.oidc_settings import OidcSettings
from fairstall.labeling.permissions import Role
from fairstall.labeling.sessions import Sessions
from fairstall.records.engine import reading
from fairstall.records.tables import sessions, users

PROGRAM = Path(__file__).with_name("identity_provider.py")
ROLES = {"fairstall-admins": Role.ADMIN, "moderators": Role.MODERATOR}
PASSWORD = "three blind moderators"


@dataclass(frozen=True)
class Issuer:
    """The provider's process as a test sees it."""

    address: str

    def control(self, **wanted: Any) -> None:
        """What is wrong with it, who there is, whether its keys are new; all else is as it was."""
        httpx.post(f"{self.address}/control", json=wanted).raise_for_status()

    def settings(self, **more: Any) -> OidcSettings:
        known = {"issuer": self.address, "client_id": "fairstall", "client_secret": "a secret, known to two"}
        return OidcSettings(**(known | {"roles": ROLES} | more))


@contextmanager
def running_provider() -> Iterator[Issuer]:
    with subprocess.Popen([sys.executable, str(PROGRAM)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield Issuer(f"http://localhost:{process.stdout.readline().strip()}")
        finally:
            process.kill()


@pytest.fixture(scope="module")
def provider_process():
    with running_provider() as issuer:
        yield issuer


@pytest.fixture
def issuer(provider_process):
    provider_process.control()
    return provider_process


@pytest.fixture
def trust(serve_console):
    """Serve a console that trusts a provider; gives its address."""

    def serve(settings: OidcSettings) -> str:
        return serve_console(clock=utc_now, provider=Provider(settings, utc_now))

    return serve


@pytest.fixture
def console(trust, issuer):
    return trust(issuer.settings())


@pytest.fixture
def browser(console):
    with httpx.Client(base_url=console) as client:
        yield client


def come_back(client: httpx.Client, who: str) -> str:
    """Go to the provider and log in there; gives the address that it sends the browser back to."""
    form = httpx.get(client.get("/sso").headers["location"])
    fields = {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form.text)}
    sent = httpx.post(str(form.url.join("/authorized")), data=fields | {"who": who})
    return sent.headers["location"]


def log_in(client: httpx.Client, who: str = "mira") -> httpx.Response:
    return client.get(come_back(client, who))


def told(answer: httpx.Response) -> str:
    """Why a log in was refused."""
    return unescape(re.search(r'role="alert" data-message>([^<]+)<', answer.text)[1])


def account(store, name: str = "mira"):
    with reading(store.engine) as connection:
        return connection.execute(select(users).where(users.c.name == name)).one_or_none()


def is_in(client: httpx.Client) -> bool:
    return client.get("/queue").status_code == 200


def test_the_first_log_in_makes_an_account_with_the_role_of_the_group(browser, sqlite_store):
    answer = log_in(browser)
    assert answer.status_code == 200
    assert 'content="0; url=/console/queue"' in answer.text
    assert is_in(browser)
    row = account(sqlite_store)
    assert (row.role, row.subject, row.password_hash) == ("moderator", "1001", "")


def test_a_later_log_in_opens_the_same_account_whatever_the_person_is_called_by_then(browser, issuer, sqlite_store):
    log_in(browser)
    issuer.control(people={"mira": {"sub": "1001", "preferred_username": "mira.smith", "groups": ["moderators"]}})
    assert log_in(browser).status_code == 200
    assert account(sqlite_store, "mira.smith") is None


def test_the_role_is_read_at_each_log_in_and_a_new_one_ends_the_old_sessions(browser, console, issuer, sqlite_store):
    log_in(browser)
    issuer.control(people={"mira": {"sub": "1001", "preferred_username": "mira", "groups": ["fairstall-admins"]}})
    with httpx.Client(base_url=console) as elsewhere:
        log_in(elsewhere)
        assert elsewhere.get("/users").status_code == 200
    assert not is_in(browser)
    assert account(sqlite_store).role == "admin"


def test_the_first_group_of_the_settings_gives_the_role(browser, sqlite_store):
    log_in(browser, "boss")
    assert account(sqlite_store, "boss").role == "admin"


def test_who_has_no_group_here_is_refused_and_loses_his_sessions(browser, console, issuer, sqlite_store):
    refused = log_in(browser, "guest")
    assert (refused.status_code, "None of the groups of guest has a role here" in told(refused)) == (403, True)
    assert account(sqlite_store, "guest") is None
    log_in(browser)
    issuer.control(people={"mira": {"sub": "1001", "preferred_username": "Mira", "groups": ["cooks"]}})
    with httpx.Client(base_url=console) as elsewhere:
        assert log_in(elsewhere).status_code == 403
    assert not is_in(browser)


def test_everybody_else_may_get_a_role_too(trust, issuer, sqlite_store):
    with httpx.Client(base_url=trust(issuer.settings(roles=ROLES | {"*": Role.AUDITOR}))) as client:
        assert log_in(client, "guest").status_code == 200
    assert account(sqlite_store, "guest").role == "auditor"


def test_people_have_to_exist_where_the_settings_say_so(trust, issuer, sqlite_store):
    sqlite_store.accounts.admit("boss", Role.SENIOR)
    with httpx.Client(base_url=trust(issuer.settings(roles={}, new_users=False))) as client:
        assert "There is no account called mira" in told(log_in(client))
        assert log_in(client, "boss").status_code == 200
    assert (account(sqlite_store, "boss").role, account(sqlite_store, "boss").subject) == ("senior", "1002")


def test_a_name_opens_no_account_with_a_password_and_none_of_another_subject(browser, issuer, sqlite_store):
    sqlite_store.user("mira", Role.ADMIN)
    assert "belongs to an account with another way in" in told(log_in(browser))
    sqlite_store.accounts.use_single_sign_on("mira")
    assert log_in(browser).status_code == 200
    issuer.control(people={"twin": {"sub": "2001", "preferred_username": "mira", "groups": ["moderators"]}})
    assert "belongs to an account with another way in" in told(log_in(browser, "twin"))


def test_a_disabled_account_stays_shut(browser, sqlite_store):
    log_in(browser)
    sqlite_store.accounts.disable("mira")
    assert "mira is disabled" in told(log_in(browser))
    assert not is_in(browser)


def test_the_authorization_request_has_state_nonce_and_a_challenge(browser, console, issuer):
    answer = browser.get("/sso")
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["redirect_uri"] == [f"{console}/sso/callback"]
    assert (asked["response_type"], asked["code_challenge_method"]) == (["code"], ["S256"])
    assert min(len(asked[name][0]) for name in ("state", "nonce", "code_challenge")) >= 43
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Max-Age=600", "Path=/"} <= set(cookie.split("; "))


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(browser, console):
    address = come_back(browser, "mira")
    with httpx.Client(base_url=console) as other:
        assert "was begun elsewhere" in told(other.get(address))
        other.get("/sso")
        assert "was begun elsewhere" in told(other.get(address))
        assert not is_in(other)


def test_an_answer_is_good_once(browser):
    address, cookie = come_back(browser, "mira"), browser.cookies["fairstall_login"]
    assert browser.get(address).status_code == 200
    browser.cookies.delete("fairstall_session")
    assert "is over" in told(browser.get(address))
    browser.cookies.set("fairstall_login", cookie)
    refused = browser.get(address)
    assert (refused.status_code, "invalid_grant" in told(refused)) == (403, True)
    assert not is_in(browser)


def test_who_does_not_log_in_at_the_provider_is_told_so(browser):
    assert "did not log you in: access_denied" in told(log_in(browser, "nobody"))


WRONG_TOKENS = {
    "another audience": ({"claims": {"aud": "another-app"}}, "'aud'"),
    "two audiences and no authorised party": ({"claims": {"aud": ["fairstall", "other"], "azp": None}}, "'azp'"),
    "another party": ({"claims": {"aud": ["fairstall", "other"], "azp": "other"}}, "'azp'"),
    "another issuer": ({"claims": {"iss": "https://evil.example"}}, "'iss'"),
    "another log in's nonce": ({"claims": {"nonce": "n" * 43}}, "'nonce'"),
    "no nonce": ({"claims": {"nonce": None}}, "'nonce'"),
    "no subject": ({"claims": {"sub": None}}, "'sub'"),
    "another access token": ({"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}}, "'at_hash'"),
    "expired": ({"clock_ahead_s": -400}, "expired"),
    "from the future": ({"clock_ahead_s": 90}, "future"),
    "another key": ({"signed": "by another key"}, "bad_signature"),
    "the client's secret as key": ({"signed": "by the client's secret"}, "HS256"),
    "no signature": ({"signed": "by nobody"}, "none"),
}


@pytest.mark.parametrize("how", WRONG_TOKENS)
def test_a_token_that_does_not_hold_is_refused(browser, issuer, sqlite_store, how):
    wrong, why = WRONG_TOKENS[how]
    issuer.control(wrong=wrong)
    refused = log_in(browser)
    assert refused.status_code == 403
    assert "sent an ID token that does not hold" in told(refused)
    assert why in told(refused)
    assert not is_in(browser)
    assert account(sqlite_store) is None


@pytest.mark.parametrize("ahead_s", [-40, 40])
def test_clocks_may_differ_by_less_than_a_minute(browser, issuer, ahead_s):
    issuer.control(wrong={"clock_ahead_s": ahead_s})
    assert log_in(browser).status_code == 200


def test_an_answer_of_another_issuer_is_refused(browser, issuer):
    issuer.control(wrong={"answer_iss": "https://evil.example"})
    assert "another identity provider" in told(log_in(browser))


def test_keys_may_change(browser, issuer):
    log_in(browser)
    issuer.control(new_keys=True)
    assert log_in(browser).status_code == 200


def test_a_claim_may_come_from_user_info_alone_but_only_of_the_same_person(browser, issuer, sqlite_store):
    issuer.control(wrong={"only_in_userinfo": ["groups", "preferred_username"], "userinfo": {"sub": "1002"}})
    assert "tells of somebody else" in told(log_in(browser))
    issuer.control(wrong={"only_in_userinfo": ["groups", "preferred_username"]})
    assert log_in(browser).status_code == 200
    assert account(sqlite_store).role == "moderator"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, "has not verified your email"),
        ({"email_verified": False}, "has not verified your email"),
        ({"email_verified": "true"}, "has not verified your email"),
        ({"email_verified": True}, None),
    ],
)
def test_an_email_address_is_a_name_only_when_it_was_verified(trust, issuer, sqlite_store, more, why):
    person = {"sub": "1001", "email": "Mira@market.example", "groups": ["moderators"]}
    issuer.control(people={"mira": person | more})
    with httpx.Client(base_url=trust(issuer.settings(name_claim="email"))) as client:
        answer = log_in(client)
        assert (answer.status_code == 200) == (why is None)
        assert why is None or why in told(answer)
    assert (account(sqlite_store, "mira@market.example") is None) == (why is not None)


def test_whether_an_address_was_verified_may_be_told_by_user_info_alone(trust, issuer):
    person = {"sub": "1001", "email": "mira@market.example", "email_verified": True, "groups": ["moderators"]}
    issuer.control(people={"mira": person}, wrong={"only_in_userinfo": ["email_verified"]})
    with httpx.Client(base_url=trust(issuer.settings(name_claim="email"))) as client:
        assert log_in(client).status_code == 200


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({}, "sends no 'preferred_username'"),
        ({"preferred_username": 7}, "sends no 'preferred_username'"),
        ({"preferred_username": "Mira Smith <script>"}, "is no name for a person"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(browser, issuer, claims, why):
    issuer.control(people={"mira": {"sub": "1001", "groups": ["moderators"]} | claims})
    refused = log_in(browser)
    assert why in told(refused)
    assert "<script>" not in refused.text


def test_a_provider_that_is_down_gives_a_clear_page_and_passwords_still_work(trust, sqlite_store):
    with running_provider() as gone:
        settings = gone.settings()
    sqlite_store.user("kim")
    with httpx.Client(base_url=trust(settings)) as client:
        refused = client.get("/sso")
        assert (refused.status_code, "cannot be reached" in told(refused)) == (503, True)
        client.post("/login", data={"name": "kim", "password": PASSWORD})
        assert is_in(client)


@pytest.mark.parametrize(
    ("wrong", "told_as"),
    [
        ({"discovery": {"issuer": "https://evil.example"}}, "cannot be read"),
        ({"discovery": {"token_endpoint": "http://evil.example/token"}}, "cannot be read"),
        ({"token_answer": "<html>busy</html>"}, "cannot be read"),
        ({"token_answer": "{}"}, "cannot be read"),
        ({"token_answer": "oh no", "token_status": 502}, "cannot be reached, or fails"),
    ],
)
def test_a_provider_that_answers_nonsense_gives_a_clear_page(trust, issuer, wrong, told_as):
    issuer.control(wrong=wrong)
    with httpx.Client(base_url=trust(issuer.settings())) as client:
        left = client.get("/sso")
        refused = left if left.status_code == 503 else log_in(client)
        assert (refused.status_code, told_as in told(refused)) == (503, True)
        assert not is_in(client)


@pytest.mark.parametrize(("asks_for", "secret"), [("client_secret_post", "a secret, known to two"), ("none", None)])
def test_the_console_proves_itself_as_the_provider_asks(trust, issuer, asks_for, secret):
    issuer.control(wrong={"asks_for": asks_for})
    with httpx.Client(base_url=trust(issuer.settings(client_secret=secret))) as client:
        assert log_in(client).status_code == 200


def test_a_wrong_client_secret_is_told_as_the_providers_refusal(trust, issuer):
    with httpx.Client(base_url=trust(issuer.settings(client_secret="another"))) as client:
        refused = log_in(client)
    assert (refused.status_code, "invalid_client" in told(refused)) == (403, True)


def test_passwords_can_be_switched_off(trust, issuer, sqlite_store):
    sqlite_store.user("kim")
    with httpx.Client(base_url=trust(issuer.settings(passwords=False))) as client:
        assert 'type="password"' not in client.get("/login").text
        assert client.post("/login", data={"name": "kim", "password": PASSWORD}).status_code == 403
        assert log_in(client, "boss").status_code == 200
        page = client.get("/users/kim")
        assert "one-time password" not in page.text
        csrf = {"csrf": re.search(r'name="csrf" value="([^"]+)"', page.text)[1]}
        assert client.post("/users/kim/password", data=csrf).status_code == 409
        client.post("/users", data=csrf | {"name": "noor", "role": "senior", "by": "password"})
        assert account(sqlite_store, "noor").password_hash == ""
        assert client.post("/users/boss/role", data=csrf | {"role": "moderator"}).status_code == 409


def test_logging_out_ends_the_session_and_leads_on_to_the_providers(browser, console):
    log_in(browser)
    page = browser.get("/queue")
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)[1]
    left = browser.post("/logout", data={"csrf": csrf})
    assert left.headers["location"] == "/console/login?left"
    assert not is_in(browser)
    assert 'href="/console/sso/logout"' in browser.get("/login?left").text
    away = urlsplit(browser.get("/sso/logout").headers["location"])
    asked = {"client_id": ["fairstall"], "post_logout_redirect_uri": [f"{console}/login"]}
    assert (away.path, parse_qs(away.query)) == ("/logout", asked)


def test_each_log_in_begins_a_new_session_and_ends_the_one_before(browser, sqlite_store):
    log_in(browser)
    first = browser.cookies["fairstall_session"]
    log_in(browser)
    assert browser.cookies["fairstall_session"] != first
    assert Sessions(sqlite_store.engine, utc_now).find(first) is None
    with reading(sqlite_store.engine) as connection:
        assert len(connection.execute(select(sessions)).all()) == 1


@pytest.mark.browser
def test_in_a_real_browser_the_way_leads_to_another_site_and_back_into_the_queue(chromium, console):
    """The provider is on `localhost` and the console on `127.0.0.1`: two sites, for cookies and for form-action."""
    context = chromium.new_context()
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if "Security Policy" in message.text else None)
    page.goto(f"{console}/login")
    page.get_by_role("link", name="Log in with single sign-on").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Who").wait_for()
    assert "//localhost:" in page.url
    page.keyboard.type("mira")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("All clear")
    assert page.url == f"{console}/queue"
    kept = {cookie["name"]: cookie["sameSite"] for cookie in context.cookies(console)}
    assert kept == {"fairstall_session": "Strict"}
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("link", name="Log out of single sign-on too").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Logged out of fairstall")
    assert problems == []
    context.close()
