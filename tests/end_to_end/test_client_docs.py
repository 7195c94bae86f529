"""docs/client.md shows what the client does: its code runs, prints what stands below it, and its tables are true."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from fairstall.client import ClientError, Retries, errors
from fairstall.client.boundary import LIMITS, TIMEOUTS

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
ROWS = {row[0]: row for row in re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) ?\|$", PAGE, re.MULTILINE)}


def test_each_block_of_code_prints_what_stands_below_it(running: Any) -> None:
    assert len(BLOCKS) == PAGE.count("```python") == 6
    names: dict[str, Any] = {"KEY": running.key}
    for code, printed in BLOCKS:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code.replace(":8000", f":{running.port}"), "docs/client.md", "exec"), names)
        assert out.getvalue() == printed
    names["client"].close()


def test_every_error_is_explained_and_whether_it_is_sent_again() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ClientError)]
    for kind in (kind for kind in kinds if kind is not ClientError):
        assert ROWS[kind.__name__][2] == ("yes" if kind.passes else "no"), kind


def test_the_numbers_of_the_page_are_the_defaults() -> None:
    for name in ("attempts", "deadline_s", "first_pause_s", "longest_pause_s"):
        assert f"| `{name}` | {getattr(Retries(), name):g} |" in PAGE
    assert httpx.Timeout(connect=2, write=5, read=10, pool=5) == TIMEOUTS
    assert httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=30) == LIMITS


@pytest.mark.parametrize("name", errors.ClientError("x").__dict__)
def test_every_attribute_of_an_error_is_explained(name: str) -> None:
    assert f"`{name}`" in PAGE
