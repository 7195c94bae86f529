"""Every route of the console, as the app has them, with every role and with nobody: who is let through, and to what."""

import re

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from fairstall.labeling.console import create_console
from fairstall.labeling.oidc import Provider
from fairstall.labeling.oidc_settings import OidcSettings
from fairstall.labeling.permissions import PERMISSIONS, Permission, Role
from fairstall.labeling.sessions import Sessions

# For anybody, with what each answers to somebody without a session and without an identity provider that answers.
OPEN = {
    ("GET", "/"): 303,
    ("GET", "/login"): 200,
    ("POST", "/login"): 401,
    ("GET", "/sso"): 503,
    ("GET", "/sso/callback"): 403,
    ("GET", "/sso/logout"): 503,
}
ASKED_FOR = {
    ("POST", "/logout"): Permission.OWN_ACCOUNT,
    ("GET", "/account"): Permission.OWN_ACCOUNT,
    ("POST", "/account/password"): Permission.OWN_ACCOUNT,
    ("POST", "/account/end-session"): Permission.OWN_ACCOUNT,
    ("POST", "/account/end-others"): Permission.OWN_ACCOUNT,
    ("GET", "/queue"): Permission.SEE_QUEUE,
    ("POST", "/next"): Permission.REVIEW,
    ("GET", "/cases/{case_id}"): Permission.REVIEW,
    ("POST", "/cases/{case_id}/decide"): Permission.REVIEW,
    ("POST", "/cases/{case_id}/skip"): Permission.REVIEW,
    ("POST", "/cases/{case_id}/heartbeat"): Permission.REVIEW,
    ("POST", "/cases/{case_id}/ahead"): Permission.REVIEW,
    ("POST", "/cases/{case_id}/touch"): Permission.REVIEW,
    ("POST", "/cases/{case_id}/hold"): Permission.REVIEW,
    ("POST", "/cases/{case_id}/release"): Permission.REVIEW,
    ("POST", "/cases/{case_id}/escalate"): Permission.REVIEW,
    ("POST", "/cases/{case_id}/hand-over"): Permission.REVIEW,
    ("POST", "/undo"): Permission.REVIEW,
    ("GET", "/quality/mine"): Permission.REVIEW,
    ("GET", "/search"): Permission.SEE_QUEUE,
    ("GET", "/decisions"): Permission.SEE_DECISIONS,
    ("POST", "/cases/{case_id}/recall"): Permission.SETTLE_ESCALATIONS,
    ("GET", "/passed-on"): Permission.SETTLE_ESCALATIONS,
    ("GET", "/together"): Permission.DECIDE_TOGETHER,
    ("GET", "/together/like/{like}"): Permission.DECIDE_TOGETHER,
    ("GET", "/together/range"): Permission.DECIDE_TOGETHER,
    ("POST", "/together/decide"): Permission.DECIDE_TOGETHER,
    ("GET", "/together/batches/{batch_id}"): Permission.DECIDE_TOGETHER,
    ("POST", "/together/batches/{batch_id}/undo"): Permission.DECIDE_TOGETHER,
    ("GET", "/quality"): Permission.SEE_QUALITY,
    ("GET", "/quality/policies.csv"): Permission.SEE_QUALITY,
    ("GET", "/quality/reviewers.csv"): Permission.SEE_QUALITY,
    ("GET", "/quality/reviews"): Permission.SEE_QUALITY,
    ("GET", "/disagreements"): Permission.CALIBRATE,
    ("GET", "/disagreements/{decision_id}"): Permission.CALIBRATE,
    ("POST", "/disagreements/{decision_id}/comment"): Permission.CALIBRATE,
    ("POST", "/disagreements/{decision_id}/verdict"): Permission.CALIBRATE,
    ("POST", "/disagreements/{decision_id}/example"): Permission.CALIBRATE,
    ("GET", "/golden"): Permission.CALIBRATE,
    ("GET", "/golden/new/{decision_id}"): Permission.CALIBRATE,
    ("POST", "/golden/new/{decision_id}"): Permission.CALIBRATE,
    ("POST", "/golden/{golden_id}/retire"): Permission.CALIBRATE,
    ("GET", "/cases"): Permission.SEE_DECISIONS,
    ("GET", "/trends"): Permission.SEE_TRENDS,
    ("GET", "/trends/{name}.csv"): Permission.SEE_TRENDS,
    ("GET", "/charts/{name}.svg"): Permission.SEE_TRENDS,
    ("GET", "/views"): Permission.SEE_VIEWS,
    ("GET", "/views.csv"): Permission.SEE_VIEWS,
    ("GET", "/users"): Permission.MANAGE_USERS,
    ("POST", "/users"): Permission.MANAGE_USERS,
    ("GET", "/users/{name}"): Permission.MANAGE_USERS,
    ("POST", "/users/{name}/role"): Permission.MANAGE_USERS,
    ("POST", "/users/{name}/password"): Permission.MANAGE_USERS,
    ("POST", "/users/{name}/single-sign-on"): Permission.MANAGE_USERS,
    ("POST", "/users/{name}/disable"): Permission.MANAGE_USERS,
    ("POST", "/users/{name}/enable"): Permission.MANAGE_USERS,
    ("POST", "/users/{name}/end-sessions"): Permission.MANAGE_USERS,
}


@pytest.fixture
def app(sqlite_store, policies) -> Starlette:
    settings = OidcSettings(issuer="http://localhost:1", client_id="fairstall", new_users=False)
    return create_console(
        engine=sqlite_store.engine,
        policies=policies,
        clock=sqlite_store.clock,
        accounts=sqlite_store.accounts,
        provider=Provider(settings, sqlite_store.clock),
    )


@pytest.fixture
def ask(app, sqlite_store):
    """Ask for a route, with a session of its own for the user where one is given."""
    sessions = Sessions(sqlite_store.engine, sqlite_store.clock)
    mounted = Starlette(routes=[Mount("/console", app)])
    with TestClient(mounted, base_url="http://console.example", follow_redirects=False) as client:

        def _ask(method, path, user=None, *, with_token=True, headers=None):
            client.cookies.clear()
            sent = dict(headers or {})
            if user:
                token = sessions.open(user)
                client.cookies.set("fairstall_session", token)
                sent |= {"X-CSRF-Token": sessions.find(token).csrf_token} if with_token else {}
            return client.request(method, f"/console{re.sub(r'{[^}]+}', 'none', path)}", headers=sent)

        yield _ask


def routes_of(app: Starlette) -> set[tuple[str, str]]:
    routes = [route for route in app.routes if isinstance(route, Route)]
    assert {type(route) for route in app.routes} == {Route, Mount}
    assert [route.path for route in app.routes if isinstance(route, Mount)] == ["/static"]
    return {(method, route.path) for route in routes for method in route.methods - {"HEAD"}}


def test_every_route_is_named_above_with_what_it_asks_for(app):
    assert routes_of(app) == OPEN.keys() | ASKED_FOR.keys()


def test_every_permission_has_a_route():
    assert set(ASKED_FOR.values()) == set(Permission)


@pytest.mark.parametrize("role", Role)
def test_a_role_gets_through_to_what_the_table_gives_it_and_nowhere_else(app, ask, sqlite_store, role):
    kim = sqlite_store.user("kim", role)
    for method, path in sorted(routes_of(app) - OPEN.keys()):
        answer = ask(method, path, kim)
        allowed = ASKED_FOR[method, path] in PERMISSIONS[role]
        assert (answer.status_code != 403) == allowed, (method, path, answer.status_code)
        assert answer.headers.get("location") != "/console/login" or path == "/logout", (method, path)
        assert answer.status_code < 500, (method, path)


def test_nobody_gets_through_to_anything_but_the_log_in(app, ask):
    for method, path in sorted(routes_of(app)):
        answer = ask(method, path)
        if (method, path) in OPEN:
            assert answer.status_code == OPEN[method, path], (method, path)
        else:
            assert (answer.status_code, answer.headers["location"]) == (303, "/console/login"), (method, path)


def test_a_form_of_another_session_or_of_another_site_is_refused_everywhere(app, ask, sqlite_store):
    admin = sqlite_store.user("kim", Role.ADMIN)
    for method, path in sorted(routes_of(app)):
        if method != "POST":
            continue
        refused = [ask(method, path, admin, headers={"Origin": "https://evil.example"})]
        refused.append(ask(method, path, admin, headers={"Sec-Fetch-Site": "same-site"}))
        if (method, path) not in OPEN:
            refused.append(ask(method, path, admin, with_token=False))
            refused.append(ask(method, path, admin, with_token=False, headers={"X-CSRF-Token": "guessed"}))
        assert {answer.status_code for answer in refused} == {403}, path


def test_with_a_one_time_password_there_is_nothing_but_the_own_account(app, ask, sqlite_store):
    sqlite_store.user("boss", Role.ADMIN)
    invitation = sqlite_store.accounts.invite("kim", Role.ADMIN)
    kim = sqlite_store.accounts.log_in("kim", invitation.password)
    for (method, path), permission in ASKED_FOR.items():
        answer = ask(method, path, kim)
        shut = answer.headers.get("location") == "/console/account"
        assert shut == (permission is not Permission.OWN_ACCOUNT or "end-" in path), (method, path)
