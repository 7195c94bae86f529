"""docs/webhooks.md says what is sent and when, and its receiver works."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fairstall.cli.webhook import app
from fairstall.model.decide import Outcome
from fairstall.model.decision import Assessment, Decision, Sampling, Versions
from fairstall.records.deliveries import KEEP_DELIVERED, KEEP_OTHERS, Delivery
from fairstall.records.outbox import KINDS, decision_event
from fairstall.serving.webhooks.courier import DELIVERIES_AT_ONCE
from fairstall.serving.webhooks.message import PING, sign_message
from fairstall.serving.webhooks.retries import DELAYS_S, MOST_PAUSE_S, PAUSE_S, SPAN
from fairstall.serving.webhooks.sender import TIMEOUT_S

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
UNITS = {"s": 1, "min": 60, "h": 3_600}


def fenced(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def event():
    now = datetime.now(UTC)
    assessment = Assessment(Outcome.BLOCK, (), (), {}, {}, Sampling(False, 1.0), Versions("m", "p"))
    return decision_event(Decision("d-1", "l-1", "s-1", now, assessment))


def test_the_receiver_on_the_page_takes_an_event_once_and_no_forged_one(event, capsys):
    (source,) = fenced("python")
    names: dict[str, object] = {}
    exec(source, names)
    delivery = Delivery(event.event_id, event.kind, event.body, event.happened_at, 1)
    message = sign_message(delivery, [SECRET], now=datetime.now(UTC))
    receive = names["receive"]
    assert [receive(message.body, message.headers, SECRET) for _ in range(2)] == [204, 204]
    assert capsys.readouterr().out == "decision.made l-1 block\n"
    assert receive(message.body + b" ", message.headers, SECRET) == 401


def test_the_example_has_the_fields_of_an_event(event):
    (example,) = fenced("json")
    assert re.findall(r'"(\w+)":', example) == ["type", "timestamp", "data", *event.body]


def test_every_type_of_event_is_documented():
    assert [kind for kind in (*KINDS, PING) if f"| `{kind}` |" not in PAGE] == []


def test_every_command_is_documented():
    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    assert [name for name in names if f"| `fairstall webhook {name}" not in PAGE] == []
    assert len(re.findall(r"^\| `fairstall webhook", PAGE, re.MULTILINE)) == len(names)


def test_the_schedule_on_the_page_is_the_one_in_force():
    (line,) = re.findall(r"^\| delay \|(.*)\|$", PAGE, re.MULTILINE)
    delays = [cell.split() for cell in line.split("|")]
    assert tuple(int(number) * UNITS[unit] for number, unit in delays) == DELAYS_S
    assert f"{round(SPAN.total_seconds() / 3_600)} hours without a success" in PAGE


def test_times_and_limits_on_the_page_are_those_in_force():
    assert f"within {TIMEOUT_S:.0f} seconds" in PAGE
    assert f"{PAUSE_S:.0f} seconds to {MOST_PAUSE_S / 60:.0f} minutes" in PAGE
    assert f"Up to {DELIVERIES_AT_ONCE} events" in PAGE
    assert f"kept for {KEEP_DELIVERED.days} days, failed and waiting ones for {KEEP_OTHERS.days}" in PAGE
