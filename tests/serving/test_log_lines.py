"""What the service logs, line by line."""

import json
import logging
import time
from collections.abc import Iterator

import pytest

from fairstall.serving.log_lines import JsonLines


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
def test_times_are_utc_to_the_millisecond_wherever_the_machine_stands():
    record = logging.makeLogRecord({"name": "fairstall", "levelname": "INFO", "msg": "ready", "created": 0.0509})

    assert json.loads(JsonLines().format(record))["time"] == "1970-01-01T00:00:00.050Z"
