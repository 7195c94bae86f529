"""How the log is written. It is loaded before everything else, and needs nothing of it."""

import json
import logging
from typing import Any


class JsonLines(logging.Formatter):
    """One JSON object a line. Text of listings is nowhere logged, so it cannot be here."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "facts", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
