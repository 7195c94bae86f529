"""No listing of the public corpora, whose licences are not stated, is written down anywhere in this project."""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("cli", "docs", "evals", "labeling", "model", "policies", "records", "serving", "tests", "training")
TEXT = {".css", ".html", ".js", ".jsonl", ".md", ".py", ".toml", ".yaml"}
SHORTEST = 24  # characters and four words: below that two sellers write the same by chance


def corpus_texts() -> Iterator[tuple[str, str]]:
    for path in sorted(Path(os.environ["FAIRSTALL_CORPORA"]).rglob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as rows:
            for row in map(json.loads, rows):
                for text in (row["title"].strip().lower(), row["description"].strip().lower()[:120]):
                    if len(text) >= SHORTEST and len(text.split()) >= 4:
                        yield row["id"], text


@pytest.mark.skipif("FAIRSTALL_CORPORA" not in os.environ, reason="FAIRSTALL_CORPORA names no folder with the corpora")
def test_no_listing_of_the_corpora_is_written_down_in_this_project() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in TEXT]
    ours = "\n".join(path.read_text(encoding="utf-8").lower() for path in [ROOT / "README.md", *files])
    assert not [row for row, text in corpus_texts() if text in ours]
