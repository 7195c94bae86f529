"""Scored rows out of a seed, and labelled listings that the tiny bundle can tell apart."""

from collections.abc import Callable

import numpy as np
import pytest

from fairstall.evals.leave_out import WITHOUT_SOURCES
from fairstall.evals.rows import EvalRow
from fairstall.evals.scored import ScoredRows
from fairstall.model.bundle import Bundle
from fairstall.model.policies import DsaClass, Pattern, Policy, RuleAction, Severity, Targets, Term

DRUGS, WEAPONS, WILDLIFE = "prohibited/drugs", "prohibited/weapons", "prohibited/wildlife"
WORDS = {DRUGS: ("cocaine", "heroin", "mdma"), WEAPONS: ("pistol", "ammunition"), WILDLIFE: ("ivory", "taxidermy")}
GOODS = ("garden chair", "wool scarf", "bread knife", "wooden train", "desk lamp", "tea pot", "rain coat", "bookend")


@pytest.fixture(scope="session")
def synthetic() -> Callable[..., ScoredRows]:
    """`synthetic(seed, rows=600, noise=0, edge=0)`: three policies, two sources, rows that share groups.

    Calls with one seed have the same truth and groups; another `noise` draws scores anew at equal quality, `edge` moves
    violations up by so many logits.
    """
    return _synthetic


def _synthetic(
    seed: int, *, rows: int = 600, labels: int = 3, prevalence: float = 0.08, noise: int = 0, edge: float = 0.0
) -> ScoredRows:
    of_row = np.random.default_rng([seed, 0])
    groups = of_row.integers(rows // 2, size=rows)
    truth = (of_row.random((rows // 2, labels)) < prevalence)[groups]
    shared = of_row.normal(size=(rows, labels)) - 3 + 3 * truth
    own = np.random.default_rng([seed, 1, noise]).normal(scale=0.8, size=(rows, labels))
    return ScoredRows(
        labels=tuple(f"prohibited/p{label}" for label in range(labels)),
        probabilities=1 / (1 + np.exp(-(shared + own + edge * truth))),
        truth=truth,
        known=np.ones((rows, labels), dtype=bool),
        weights=np.ones(rows),
        groups=groups.astype(str),
        sources=np.where(of_row.random(rows) < 0.5, "shop", "market"),
        ids=np.arange(rows).astype(str),
        violating=truth.any(axis=1),
    )


@pytest.fixture(scope="session")
def blind_fold(make_tiny_bundle, tmp_path_factory) -> Bundle:
    """A fold of the tiny bundle that has not seen the market and knows pistols alone."""
    words = {"pistol": {WEAPONS: 6.0}}
    return make_tiny_bundle(tmp_path_factory.mktemp("fold"), words=words, data={WITHOUT_SOURCES: ["market"]})


@pytest.fixture(scope="session")
def listings() -> list[EvalRow]:
    """240 short listings: 20 violations each of three policies, some of them in words that the tiny bundle lacks."""
    rows = []
    for number in range(240):
        policy = list(WORDS)[number % 12] if number % 12 < 3 else None
        words = (*WORDS[policy], "unheard") if policy else ("nice",)
        title = f"{words[number // 12 % len(words)]} {GOODS[number % len(GOODS)]} number {number}"
        source = "market" if policy or number % 2 else "shop"
        rows.append(
            EvalRow(
                id=f"{source}:{number}",
                title=title,
                description="For sale, collected from the seller or sent by post.",
                language="en",
                policies=frozenset({policy} if policy else ()),
                source=source,
                group=str(number),
            )
        )
    return rows


@pytest.fixture(scope="session")
def make_policy() -> Callable[..., Policy]:
    """`make_policy(code, review=(), block=(), evidence=(), pattern=None, precision=0.99)`, with terms by action."""
    return _policy


def _policy(
    code: str,
    *,
    review: tuple[str, ...] = (),
    block: tuple[str, ...] = (),
    evidence: tuple[str, ...] = (),
    pattern: str | None = None,
    precision: float = 0.99,
) -> Policy:
    by_action = {RuleAction.REVIEW: review, RuleAction.BLOCK: block, RuleAction.EVIDENCE: evidence}
    return Policy(
        code=code,
        title=code,
        seller_text=f"{code} may not be sold here.",
        guideline="Look.",
        severity=Severity.HIGH,
        points=1,
        dsa=DsaClass("STATEMENT_CATEGORY_OTHER_VIOLATION_TC", "KEYWORD_OTHER"),
        violations=(),
        look_alikes=(),
        terms=tuple(Term(text, action) for action, texts in by_action.items() for text in texts),
        patterns=(Pattern(pattern, RuleAction.REVIEW),) if pattern else (),
        targets=Targets(precision=precision),
    )
