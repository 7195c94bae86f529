"""`fairstall webhook`: the secret alone on standard output, and every verb from end to end."""

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook
from typer.testing import CliRunner

from fairstall.cli.webhook import app
from fairstall.model.errors import Conflict, InputError, NotFound, ServiceError, SetupError
from fairstall.model.identifiers import time_ordered_id
from fairstall.records.engine import open_engine, writing
from fairstall.records.outbox import Event, write_events
from fairstall.records.schema import migrate
from fairstall.records.tables import deliveries
from fairstall.records.webhooks import target_of

YESTERDAY = datetime.now(UTC) - timedelta(days=1)
URL = "https://shop.example/hooks"


@pytest.fixture
def webhook(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(app, [*arguments, "--home", str(tmp_path)])

    return run


@pytest.fixture
def store(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'fairstall.sqlite'}")
    migrate(engine)
    yield engine
    engine.dispose()


def happen(store):
    """One event, yesterday; its id."""
    event = Event(time_ordered_id(YESTERDAY), "decision.made", {}, YESTERDAY)
    with writing(store) as connection:
        write_events(connection, [event])
    return event.event_id


def listed(webhook):
    return [line.split("\t") for line in webhook("list").stdout.splitlines()]


def test_a_new_endpoint_prints_its_secret_alone_and_once(webhook, store):
    added = webhook("add", URL)
    assert added.exit_code == 0
    assert added.stdout.startswith("whsec_")
    assert added.stdout.count("\n") == 1
    assert "not shown again" in added.stderr
    assert target_of(store, URL).secrets == (added.stdout.strip(),)
    assert added.stdout.strip() not in webhook("list").output


def test_endpoints_are_listed_with_kinds_state_and_counts(webhook):
    webhook("add", URL)
    webhook("add", "http://localhost:9000/", "--kinds", "decision.made, decision.overridden")
    webhook("disable", URL)
    assert [line[1:] for line in listed(webhook)] == [
        [URL, "all", "disabled: disabled by hand", "0 waiting", "0 failed"],
        ["http://localhost:9000/", "decision.made,decision.overridden", "enabled", "0 waiting", "0 failed"],
    ]
    webhook("enable", URL)
    assert listed(webhook)[0][3] == "enabled"


def test_a_rotation_prints_the_new_secret_alone(webhook, store):
    old = webhook("add", URL).stdout
    new = webhook("rotate", URL, "--overlap-hours", "1").stdout
    assert new.startswith("whsec_")
    assert new != old
    assert target_of(store, URL).secrets == (new.strip(),)


def test_a_removed_endpoint_is_gone(webhook):
    webhook("add", URL)
    assert webhook("remove", listed(webhook)[0][0]).exit_code == 0
    assert listed(webhook) == []


def test_a_ping_tells_whether_the_endpoint_takes_it(webhook, receiver):
    secret = webhook("add", receiver.url).stdout.strip()
    told = webhook("test", receiver.url)
    assert (told.exit_code, "HTTP 204" in told.stdout) == (0, True)
    (posted,) = receiver.posted
    assert Webhook(secret).verify(posted.body, posted.headers)["type"] == "webhook.ping"
    receiver.answers = [500]
    refused = webhook("test", receiver.url)
    assert isinstance(refused.exception, ServiceError)
    assert "HTTP 500" in str(refused.exception)


def test_a_ping_goes_inside_only_where_a_setting_says_so(webhook):
    webhook("add", "https://192.168.99.99/")
    assert "192.168.99.99 is not public" in str(webhook("test", "https://192.168.99.99/").exception)
    assert isinstance(webhook("test", "https://192.168.99.99/", "--webhook-networks", "here").exception, SetupError)


def test_what_failed_is_shown_and_sent_again(webhook, store):
    webhook("add", URL)
    event_id = happen(store)
    assert webhook("deliveries", URL).stdout == ""
    with writing(store) as connection:
        connection.execute(deliveries.update().values(state="failed", attempts=10, result="HTTP 500"))
    shown = webhook("deliveries", URL).stdout.strip().split("\t")
    assert shown == [event_id, "decision.made", "10", "-", "HTTP 500"]
    assert "Deliveries due again: 1" in webhook("retry", URL).stderr
    assert len(webhook("deliveries", URL, "--state", "waiting").stdout.splitlines()) == 1


def test_a_span_of_time_is_sent_again(webhook, store):
    happen(store)
    webhook("add", URL)
    day = f"{YESTERDAY:%Y-%m-%d}"
    assert "Events due: 0" in webhook("replay", URL, "--since", "2020-01-01", "--until", day).stderr
    assert "Events due: 1" in webhook("replay", URL, "--since", day).stderr
    assert len(webhook("deliveries", URL, "--state", "waiting").stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("add", URL), Conflict),
        (("add", "http://shop.example/"), InputError),
        (("add", URL + "2", "--kinds", "decision.mad"), InputError),
        (("remove", "https://other.example/"), NotFound),
        (("rotate", "https://other.example/"), NotFound),
        (("test", "https://other.example/"), NotFound),
    ],
)
def test_what_cannot_be_is_told(webhook, arguments, error):
    webhook("add", URL)
    assert isinstance(webhook(*arguments).exception, error)


def test_http_needs_leave(webhook):
    assert webhook("add", "http://shop.example/", "--allow-http").exit_code == 0
