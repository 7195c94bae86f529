"""How the log is written. It is loaded before everything else, and needs nothing of it."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

_LINE = json.JSONEncoder(ensure_ascii=False)


class JsonLines(logging.Formatter):
    """One JSON object a line. Text of listings is nowhere logged, so it cannot be here."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:23] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "facts", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _LINE.encode(line)
