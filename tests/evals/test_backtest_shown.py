"""A backtest in the terminal and as files: every number is there, and hostile text stays text."""

import json
import re
from html.parser import HTMLParser
from io import StringIO

import pytest
from rich.console import Console

from fairstall.evals.backtest import MARKET, SELLER, Asked, Replayed, Tally
from fairstall.evals.backtest_files import write_backtest
from fairstall.evals.backtest_tables import backtest_report, visible
from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.change_sample import ChangeSample, changed_listing
from fairstall.evals.judgements import Label
from fairstall.evals.replay import Models, Replay
from fairstall.model.decide import Outcome
from fairstall.model.decision import Assessment, Sampling, Versions
from fairstall.model.listing import Listing
from fairstall.model.policies import PolicySet

FUR = "prohibited/fur"
HOSTILE = "[bold red]fur[/] <script>alert(1)</script>\u202e$title \x9b31m &amp; fur</article>"
ENTITY = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def shown(make_policy):
    """A backtest of 30 approved listings, 20 of which go to review, and what is to be read of them."""
    old = PolicySet.named("old", (make_policy(FUR),))
    new = PolicySet.named("new", (make_policy(FUR, review=("fur",)),))
    replay, tally = Replay(old, new, Models({"m-1": {}}, {})), Tally(old, new, ChangeSample(50))
    changes = []
    for number in range(30):
        text = HOSTILE if number < 20 else "A chair"
        listing = Listing(f"l-{number}", f"s-{number}", text, text, market=ENTITY)
        sampling = Sampling(control=True, inclusion_probability=0.1)
        decided = Assessment(Outcome.APPROVE, (), (), {}, {}, sampling, Versions("m-1", old.version))
        change = replay.change(decided, listing)
        label = Label(frozenset({FUR} if number % 2 else ()), weight=10.0)
        segments = {SELLER: "first", MARKET: ENTITY}
        tally.add(Replayed(f"d-{number}", change, listing.seller_id, segments, True, Asked.LABELLED, label))
        if change.changed:
            changes.append(changed_listing(f"d-{number}", listing, change, label.violated))
    return tally.result(Bootstrap(draws=200)), changes


def printed(shown, **how) -> str:
    out = StringIO()
    Console(file=out, width=200, **how).print(*backtest_report(*shown), sep="\n")
    return out.getvalue()


def test_the_terminal_shows_numbers_first_and_then_a_few_changes(shown):
    text = printed(shown)
    assert "20 of 30 decisions would end otherwise (66.67 %)." in text
    assert "Of every 1,000 listings 1000.0 would go to people instead of 1000.0 (+0.0)." in text
    assert re.search(r"precision of stops +cannot tell +0\.500 .*\n +\[0\.\d+, 0\.\d+\]", text)
    assert "Labels exist for reviewed listings and the control sample alone: 30 have one, 0 wait" in text
    assert text.count("reviewed as") == 10
    assert "and 10 more, which --out FOLDER writes" in text


def test_text_of_sellers_neither_colours_nor_turns_the_terminal(shown):
    text = printed(shown, force_terminal=True, color_system="standard")
    assert "[bold red]fur[/] <script>alert(1)</script>\\u202e$title \\u009b31m" in text
    assert "\u202e" not in text
    assert "\x9b" not in text


@pytest.mark.parametrize(
    ("text", "seen"), [("a\u200bb", "a\\u200bb"), ("two\n\tlines\u2028", "two lines"), ("象牙 é 😀", "象牙 é 😀")]
)
def test_what_cannot_be_seen_is_spelled_out(text, seen):
    assert visible(text) == seen


class Page(HTMLParser):
    """The tags of a page, and its text without them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_the_page_escapes_what_sellers_wrote_and_marks_the_words_found(shown, tmp_path):
    write_backtest(tmp_path / "out", *shown)
    text = (tmp_path / "out" / "backtest.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "img", "bold"} & set(page.tags)
    assert page.tags.count("article") == 20
    assert page.tags.count("mark") == 2 + 20 * 4
    assert HOSTILE in page.text
    assert ENTITY in page.text
    assert "default-src 'none'" in text


def test_the_files_hold_every_number_and_every_change(shown, tmp_path):
    found, changes = shown
    for _ in range(2):
        write_backtest(tmp_path, found, changes)
    numbers = json.loads((tmp_path / "backtest.json").read_text())
    assert (numbers["decisions"], numbers["changed"]) == (30, 20)
    assert numbers["moves"] == {"approve to approve": 10, "approve to review": 20}
    assert numbers["policies"] == {FUR: {"come": 20, "gone": 0, "stay": 0, "outcomes": 20}}
    assert numbers["asked"] == {"labelled": 30}
    [recall] = [j for j in numbers["judgements"] if (j["scope"], j["question"]) == (FUR, "stop_recall")]
    assert recall["new"]["value"] == pytest.approx(10 / 15)
    lines = (tmp_path / "changes.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["title"] for line in lines] == [HOSTILE] * 20
    assert all(line.isascii() for line in lines)
