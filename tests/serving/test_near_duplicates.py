"""A changed copy of a blocked listing goes to review, in whichever process it was blocked, until that is overturned."""

import asyncio
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from fairstall.labeling.accounts import Accounts
from fairstall.labeling.permissions import Role
from fairstall.labeling.queue import ReviewQueue
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.control import NO_CONTROL
from fairstall.model.decide import Outcome
from fairstall.model.errors import StoreUnavailable
from fairstall.records.blocked import BlockedPrints
from fairstall.records.engine import writing
from fairstall.records.ledger import Ledger
from fairstall.serving.app import utc_now
from fairstall.serving.batcher import open_batcher
from fairstall.serving.blocked import BlockedIndex
from fairstall.serving.blocked_watch import BlockedWatch
from fairstall.serving.limits import Limits
from fairstall.serving.metrics import Telemetry

TITLE = "Old carved figure of a fisherman"
TEXT = "From the estate of my grandfather, 14 cm tall, with a small crack at the foot. Collect it in the evening."
COPY = "FROM the estate of my grandfather, 15 cm tall, with a small crack at the foot. Collect it in the morning!"
POLICY, REASON = "prohibited/wildlife", "prohibited/wildlife is not allowed."


@pytest.fixture
def compared(engine, tiny_bundle, gated, make_parts):
    """A factory of parts that compare with what was blocked, on one store, each as in a process of its own."""

    def make(**limits):
        index = BlockedIndex(most=100, threshold=0.75)
        policies, parts_limits = gated()[0].assessor.policies, Limits(**limits)
        batcher = open_batcher(
            tiny_bundle, policies, NO_CONTROL, parts_limits, lambda _: None, look_alikes=index.resembled
        )
        parts = make_parts(engine, limits=parts_limits, batcher=batcher)
        return replace(parts, blocked=BlockedWatch(engine, index, parts.telemetry, utc_now))

    return make


def a_copy(number: int, title: str = TITLE, text: str = COPY, seller: str = "s-2"):
    return {"listing_id": f"l-{number}", "seller_id": seller, "title": title, "description": text, "language": "en"}


def score(served, listing):
    """The answer of a process that knows of every block."""
    served.parts.blocked.look()
    response = served.score(listing)
    assert response.status_code == 200, response.text
    return response.json()


def review(served, answer, verdict: ReviewVerdict, policies=()) -> str:
    """What a moderator decides in the console about the case of an answer; the decision's id."""
    engine = served.parts.engine
    queue = ReviewQueue(engine, utc_now)
    user = Accounts(engine, utc_now).create(f"mira-{answer['listing_id']}", Role.MODERATOR, "three blind moderators")
    case = queue.claim(user)
    assert case.case_id == answer["case_id"]
    return queue.decide(case.case_id, user, verdict, policies).decision_id


def test_a_copy_of_what_a_person_blocked_goes_to_review_until_the_block_is_overturned(compared, serve_parts):
    with serve_parts(compared()) as served:
        first = score(served, a_copy(1, f"{TITLE}, ivory", TEXT, seller="s-1"))
        assert (first["outcome"], first["findings"][0]["resembles"]) == ("review", None)
        blocked = review(served, first, ReviewVerdict.VIOLATION, (POLICY,))
        copy = score(served, a_copy(2))
        [finding] = copy["findings"]
        assert (copy["outcome"], copy["automated"]) == ("review", False)
        assert (finding["policy"], finding["source"], finding["reason"]) == (POLICY, "near_duplicate", REASON)
        assert finding["resembles"]["decision_id"] == blocked
        assert 0.75 <= finding["resembles"]["similarity"] < 1
        stored = served.client.get(f"/v1/decisions/{copy['decision_id']}").json()
        assert stored["findings"] == copy["findings"]
        metrics = served.client.get("/metrics").text
        assert "fairstall_near_duplicates_total 1.0" in metrics
        assert "fairstall_blocked_prints 1.0" in metrics
        with writing(served.parts.engine) as connection:
            Ledger.override(connection, blocked, Outcome.APPROVE, "user:noor", utc_now())
        assert score(served, a_copy(3))["outcome"] == "approve"
        assert "fairstall_blocked_prints 0.0" in served.client.get("/metrics").text


def test_a_copy_of_what_the_model_blocked_is_found_by_another_process(compared, serve_parts):
    with serve_parts(compared()) as one, serve_parts(compared(), secret=one.secret) as other:
        blocked = score(one, a_copy(1, f"Heroin in an {TITLE}", TEXT))
        assert blocked["outcome"] == "block"
        copy = score(other, a_copy(2, f"H in an {TITLE}", TEXT, seller="s-1"))
        assert (copy["outcome"], copy["findings"][0]["policy"]) == ("review", "prohibited/drugs")
        assert copy["findings"][0]["resembles"]["decision_id"] == blocked["decision_id"]


def test_what_the_model_sees_itself_is_one_finding_with_what_it_resembles(compared, serve_parts):
    with serve_parts(compared()) as served:
        blocked = score(served, a_copy(1, f"Heroin in an {TITLE}", TEXT))
        for number, (word, outcome) in enumerate((("Cannabis", "review"), ("Heroin", "block")), start=2):
            copy = score(served, a_copy(number, f"{word} in an {TITLE}"))
            [finding] = copy["findings"]
            assert (copy["outcome"], finding["source"].split("+")[0]) == (outcome, "model")
            assert finding["resembles"]["decision_id"] >= blocked["decision_id"]


def test_a_repeated_text_is_compared_anew(compared, serve_parts):
    with serve_parts(compared()) as served:
        assert score(served, a_copy(1))["outcome"] == "approve"
        score(served, a_copy(2, f"Heroin in an {TITLE}", TEXT))
        again = score(served, a_copy(3))
        assert (again["outcome"], again["repeated"]) == ("review", True)


def test_short_texts_and_set_phrases_of_a_blocked_listing_are_no_copy(compared, serve_parts):
    postage = "Sent tracked within 2 days of payment. No returns, no offers, ask before you buy."
    goods = "A sturdy wooden chair for the garden, hardly used, with two cushions and a cover against rain."
    with serve_parts(compared()) as served:
        assert score(served, a_copy(1, "Heroin", "Fast postage."))["outcome"] == "block"
        assert score(served, a_copy(2, "Heroine", "Fast postage."))["outcome"] == "approve"
        assert score(served, a_copy(3, f"Heroin {TITLE}", f"{TEXT} {postage}"))["outcome"] == "block"
        assert score(served, a_copy(4, "Garden chair", f"{goods} {postage}"))["outcome"] == "approve"


def test_the_longest_text_is_kept_and_compared_like_any_other(compared, serve_parts):
    long = " ".join(f"{word}{number:x}" for number in range(900) for word in ("lot", "box", "set", "bag", "pot"))[
        :50_000
    ]
    with serve_parts(compared(deadline_s=60)) as served:
        assert score(served, a_copy(1, "Heroin", long))["outcome"] == "block"
        assert len(BlockedPrints(served.parts.engine).newest(10)[0].fingerprint) == 64
        copy = score(served, a_copy(2, "Herbs", f"{long[:-8]} Collect."))
        assert copy["findings"][0]["resembles"]["similarity"] > 0.75


def test_the_running_app_sees_new_blocks_by_itself(compared, serve_parts, monkeypatch):
    seen = threading.Event()
    parts = compared()
    monkeypatch.setattr(parts.telemetry, "compares_with", lambda blocked: blocked and seen.set())
    with serve_parts(parts) as served:
        served.score(a_copy(1, f"Heroin in an {TITLE}", TEXT))
        assert seen.wait(20)
        assert served.score(a_copy(2)).json()["outcome"] == "review"


def test_a_change_from_the_future_hides_no_other(engine, compared, serve_parts):
    with serve_parts(compared()) as served:
        score(served, a_copy(1, f"Heroin in an {TITLE}", TEXT))
        blocked = Ledger(engine).latest("l-1")
        with writing(engine) as connection:
            ahead = utc_now() + timedelta(days=2)
            lifted = Ledger.override(connection, blocked.decision_id, Outcome.APPROVE, "user:noor", ahead)
        assert score(served, a_copy(2))["outcome"] == "approve"
        with writing(engine) as connection:
            Ledger.override(connection, lifted.decision_id, Outcome.BLOCK, "user:noor", utc_now())
        assert score(served, a_copy(3))["outcome"] == "review"


def test_a_store_that_is_away_stops_neither_the_watch_nor_what_is_known(tmp_path, sqlite_engine, caplog):
    telemetry = Telemetry()
    watch = BlockedWatch(sqlite_engine, BlockedIndex(most=100, threshold=0.75), telemetry, utc_now)
    (tmp_path / "records.sqlite").rename(tmp_path / "away")
    with pytest.raises(StoreUnavailable):
        watch.look()

    async def for_a_while() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(watch.run(), 0.2)

    asyncio.run(for_a_while())
    assert "those that are known go on" in caplog.text
    (tmp_path / "away").rename(tmp_path / "records.sqlite")
    watch.look()
    assert "fairstall_blocked_prints 0.0" in telemetry.text().decode()
