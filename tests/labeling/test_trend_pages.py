"""The page of trends over HTTP: its numbers lead to their rows, its files to its tables, its charts to their words."""

import csv
import io
import re
from contextlib import contextmanager
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree

import httpx
import pytest
from sqlalchemy import event

from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.second_reviews import WIDE_REACH, SecondReviews
from fairstall.labeling.trends.case_list import CASES_SHOWN
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.decide import Outcome
from fairstall.records.ledger import CaseReason

PASSWORD = "three blind moderators"
WEAPONS, DRUGS = "prohibited/weapons", "prohibited/drugs"
SVG = "{http://www.w3.org/2000/svg}"


@contextmanager
def signed_in(console, name="zoe"):
    with httpx.Client(base_url=console, follow_redirects=True) as client:
        client.post("/login", data={"name": name, "password": PASSWORD})
        yield client


@pytest.fixture
def past(sqlite_store):
    """Two days in which the model decides, people review, and some of it waits."""
    store = sqlite_store
    zoe, mira = store.user("zoe", Role.SENIOR), store.user("mira")
    for _ in range(12):
        store.open_case(reason=CaseReason.CONTROL, outcome=Outcome.BLOCK, inclusion_probability=0.1, market="uk")
        store.open_case(reason=CaseReason.CONTROL, outcome=Outcome.APPROVE, inclusion_probability=0.1)
    store.open_case(policy=DRUGS, also=((WEAPONS, ()),), market="uk")
    for number in range(20):
        case = store.queue.claim(mira)
        violates = number % 3 > 0
        verdict = ReviewVerdict.VIOLATION if violates else ReviewVerdict.COMPLIANT
        store.queue.decide(case.case_id, mira, verdict, (WEAPONS,) if violates else ())
    store.clock.advance(hours=25)
    store.open_case(market="de")
    store.open_case(policy=DRUGS, reason=CaseReason.GOLDEN)
    store.clock.advance(minutes=10)
    return zoe


class Tables(HTMLParser):
    """The tables of the figures of a page: their cells, and the links in them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.links: list[tuple[str, str, str]] = []
        self._figure = ""
        self._link: str | None = None
        self._in_cell = False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "figure":
            self._figure = given["id"]
            self.tables[self._figure] = []
        elif tag == "tr":
            self.tables[self._figure].append([])
        elif tag in ("td", "th"):
            self.tables[self._figure][-1].append("")
            self._in_cell = True
        elif tag == "a" and self._in_cell:
            self._link = given["href"]

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data):
        if self._in_cell:
            self.tables[self._figure][-1][-1] += data
            if self._link:
                self.links.append((self._figure, data, self._link))
                self._link = None


def rows_behind(client, link: str) -> int:
    """How many rows a list has on all its pages."""
    rows, address = 0, link.removeprefix("/console")
    while address:
        page = client.get(address)
        assert page.status_code == 200, page.text
        rows += len(re.findall(r"<tr[ >]", page.text.partition("<tbody>")[2]))
        older = re.search(r'class="button" href="/console([^"]+)">Older', page.text)
        address = unescape(older[1]) if older else None
    return rows


@pytest.mark.parametrize(
    "query", ["", "period=24h", f"period=30d&policy={WEAPONS}", "period=7d&market=uk", f"policy={DRUGS}&market=uk"]
)
def test_every_number_leads_to_as_many_rows(console, past, query):
    with signed_in(console) as client:
        links = Tables(client.get(f"/trends?{query}").text).links
        wrong = [(figure, number, link) for figure, number, link in links if rows_behind(client, link) != int(number)]
    assert len(links) > 8
    assert wrong == []


@pytest.fixture
def reviewed_twice(sqlite_store, policies):
    """Thirty listings, ten of them in a market, that two people reviewed; on every fifth they disagree."""
    store, zoe = sqlite_store, sqlite_store.user("zoe", Role.SENIOR)
    mira, noor = store.user("mira"), store.user("noor")
    queue = ReviewQueue(store.engine, store.clock, second_reviews=SecondReviews(policies, b"key"))
    for number in range(30):
        store.open_case(f"Knife {number}", reach=WIDE_REACH, market="uk" if number % 3 == 0 else None)
        for person, violates in ((mira, number % 2 == 0), (noor, (number % 2 == 0) != (number % 5 == 0))):
            case = queue.claim(person)
            verdict = ReviewVerdict.VIOLATION if violates else ReviewVerdict.COMPLIANT
            queue.decide(case.case_id, person, verdict, (WEAPONS,) if violates else ())
    store.clock.advance(minutes=10)
    return zoe


def test_agreement_is_told_with_its_interval_and_leads_to_its_reviews(console, reviewed_twice):
    with signed_in(console) as client:
        page = client.get("/trends")
        assert re.search(
            r"80.0 % of 30 listings reviewed twice got the same verdict \(95 % interval 62.7 to 90.5 %\)", page.text
        )
        assert "Krippendorff&#39;s alpha is 0." in page.text
        drawing = client.get("/charts/agreement.svg").text
        assert "80.0 % of 30" in drawing
        everything = Tables(page.text).tables["agreement"][1:]
        assert [row[0] for row in everything] == ["All", "Weapons"]
        assert everything[0][1:4] == ["80.0 %", "62.7 %", "90.5 %"]
        assert everything[0][5:] == ["30", "60", "12"]
        assert "too few to say" in Tables(client.get("/trends?market=uk").text).tables["agreement"][1]
        of_one = Tables(client.get(f"/trends?policy={WEAPONS}").text).tables["agreement"][1:]
        assert of_one == everything  # what chance gives is told by all listings
        for query in ("", "market=uk", f"policy={WEAPONS}"):
            links = [link for link in Tables(client.get(f"/trends?{query}").text).links if link[0] == "agreement"]
            assert len(links) > 1
            assert [one for one in links if rows_behind(client, one[2]) != int(one[1])] == []


def test_a_number_above_a_page_of_its_list_leads_to_all_of_them(console, past, sqlite_store):
    for _ in range(CASES_SHOWN + 1):
        sqlite_store.open_case()
    with signed_in(console) as client:
        found = Tables(client.get("/trends").text).links
        number, link = next((number, link) for figure, number, link in found if figure == "lanes")
        assert int(number) == CASES_SHOWN + 8
        assert rows_behind(client, link) == CASES_SHOWN + 8


def test_a_file_says_what_its_table_says(console, past):
    with signed_in(console) as client:
        tables = Tables(client.get("/trends?period=7d").text).tables
        for name, (head, *rows) in tables.items():
            answer = client.get(f"/trends/{name}.csv?period=7d")
            assert answer.headers["content-type"] == "text/csv; charset=utf-8"
            names, *lines = csv.reader(io.StringIO(answer.text))
            assert (len(names), len(lines)) == (len(head), len(rows))
            for row, line in zip(rows, lines, strict=True):
                assert [number(cell) for cell in row[1:]] == [number(value) for value in line[1:]]


def number(text: str) -> float | None:
    """A number of a table or of a file; shares are told to a tenth of a percent."""
    text = text.replace(",", "")
    if text.endswith(" %"):
        return float(text[:-2])
    try:
        return round(100 * float(text), 1) if "." in text else float(text)
    except ValueError:
        return None


def test_every_chart_is_an_image_with_its_words(console, past):
    with signed_in(console) as client:
        page = client.get("/trends?period=7d").text
        shown = re.findall(r'<img class="chart" src="/console([^"]+)" alt="([^"]+)">', page)
        drawn = {address.partition("/charts/")[2].partition(".")[0] for address, _ in shown}
        assert set(Tables(page).tables) - drawn == {"agreement"}  # nobody has reviewed anything twice
        for address, alternative in shown:
            answer = client.get(unescape(address))
            assert answer.headers["content-type"] == "image/svg+xml"
            drawing = ElementTree.fromstring(answer.content)
            title, description = drawing[0], drawing[1]
            assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
            assert f"{title.text}. {description.text}" == unescape(alternative)
            assert not [node for node in drawing.iter() if node.tag == f"{SVG}script"]


def test_a_chart_that_is_opened_by_itself_may_load_nothing(console, past):
    with signed_in(console) as client:
        headers = client.get("/charts/depth.svg").headers
    assert headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


def test_an_empty_store_has_a_page_without_charts(console, sqlite_store):
    sqlite_store.user("zoe", Role.SENIOR)
    with signed_in(console) as client:
        page = client.get("/trends")
        assert page.status_code == 200
        assert '<img class="chart"' not in page.text
        assert "Nothing in this period." in page.text
        assert client.get("/charts/depth.svg").status_code == 404


def test_what_cannot_be_shown_is_refused_with_a_reason(console, sqlite_store):
    sqlite_store.user("zoe", Role.SENIOR)
    with signed_in(console) as client:
        for address, status, reason in (
            ("/trends?period=century", 422, "no period"),
            ("/trends?from=2026-13-01", 422, "is no day"),
            ("/trends/joy.csv", 404, "no such chart"),
            ("/charts/joy.svg", 404, "no such chart"),
            ("/decisions?outcome=joy", 422, "no outcome"),
            ("/decisions?from=once", 422, "is no time"),
            ("/decisions?from=0001-01-01T00:00:00%2B23:59", 422, "is no time"),
            ("/quality/reviews?from=9999-12-31T23:59:59-23:59", 422, "is no time"),
            ("/quality/reviews?from=once", 422, "is no time"),
            ("/decisions?again=perhaps", 422, "is neither"),
            ("/cases?state=lost", 422, "it can be open or decided"),
            ("/cases?due_to=soon", 422, "is no time"),
            ("/trends?policy=%00", 422, "cannot be seen"),
            ("/decisions?market=%07", 422, "cannot be seen"),
            ("/cases?lane=%00", 422, "cannot be seen"),
        ):
            answer = client.get(address)
            assert (answer.status_code, reason in answer.text) == (status, True), (address, answer.text)


def test_who_may_not_see_decisions_sees_numbers_without_links(console, past, sqlite_store):
    sqlite_store.user("eve", Role.ENGINEER)
    with signed_in(console, "eve") as client:
        tables = Tables(client.get("/trends").text)
    assert tables.links == []
    assert tables.tables["lanes"][1] == ["Everybody", "7"]


def test_an_open_blind_case_tells_nothing_in_a_list(console, sqlite_store):
    sqlite_store.user("zoe", Role.SENIOR)
    sqlite_store.open_case("Kitchen knife", reason=CaseReason.CONTROL, outcome=Outcome.BLOCK)
    with signed_in(console) as client:
        listed = client.get("/cases").text.partition("<tbody>")[2]
        assert client.get(f"/cases?policy={WEAPONS}").text.count("Kitchen knife") == 0
    assert "Blind review" in listed
    assert "Weapons" not in listed
    assert "blocked" not in listed


def test_many_who_look_cost_the_store_no_more_than_one(console, past, sqlite_store):
    statements = []
    with signed_in(console) as client:
        client.get("/trends?period=30d")
        event.listen(sqlite_store.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        client.get("/trends?period=30d")
        client.get("/charts/decisions.svg?period=30d")
        client.get("/trends/precision.csv?period=30d")
    assert [one for one in statements if "decision_tallies" in one or "FROM cases" in one] == []


def test_the_ledger_is_narrowed_as_its_address_says(console, past):
    with signed_in(console) as client:
        shown = client.get("/decisions?by=people&outcome=approve").text
        assert "Only some of them: the outcome is approve, by people." in shown
        assert "outcome-block" not in shown
        assert rows_behind(client, "/decisions?by=people") == rows_behind(client, "/decisions?by=mira") > 0
        assert rows_behind(client, "/decisions?by=nobody") == 0
