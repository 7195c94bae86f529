"""Rows written for this project: the seed corpus, the policies' own examples and the words that they name.

They teach and are measured apart; words only teach.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from fairstall.model.errors import CorpusError
from fairstall.model.policies import Example, Policy, PolicySet, RuleAction, Term
from fairstall.training.recipes import NEIGHBOURS
from fairstall.training.rows import AUTHORED, POLICY_WORD, Row

SEED_SOURCE = "seed"
EXAMPLES_SOURCE = "policy_examples"
WORDS_SOURCE = "policy_words"
OTHER_TRUST = 0.5  # an author writes for one policy; the others were thought of, but not gone through one by one
AMBIGUOUS_TRUST = 0.3  # a word that is evidence alone stands in honest listings too
WORD_TITLES = (
    "{term}",
    "{term} {number}",
    "{number}x {term}",
    "{number} pcs {term}",
    "buy {term}",
    "{term} for sale",
    "{term} new",
    "{term} best quality",
    "{term} free shipping",
    "cheap {term}",
)


def seed_rows(codes: Sequence[str]) -> list[Row]:
    """The seed corpus that ships with the package. Rows of policies outside `codes` are passed over."""
    rows = (_seed_row(raw, codes) for raw in _seed_lines())
    return [row for row in rows if row is not None]


def other_language_rows(codes: Sequence[str]) -> list[Row]:
    """Listings in languages that the starter bundle does not read, to measure the language gate. They never train."""
    rows = (_seed_row(raw, codes) for raw in _seed_lines("languages"))
    return [row for row in rows if row is not None]


def example_rows(policies: PolicySet, codes: Sequence[str]) -> list[Row]:
    """The violating and the look-alike examples of each policy."""
    return [row for policy in policies if policy.code in codes for row in _examples(policy, codes)]


def word_rows(policies: PolicySet, codes: Sequence[str]) -> list[Row]:
    """One short title for each term of each policy, as a violation of it. Of other policies it says nothing."""
    return [_word_row(policy.code, term, codes) for policy in policies if policy.code in codes for term in policy.terms]


def _seed_lines(*inside: str) -> Iterator[Mapping[str, Any]]:
    folder = resources.files("fairstall.training").joinpath("seed", *inside)
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".jsonl"):
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise CorpusError(f"seed corpus, {file.name}, line {number}: {error}") from error


def _seed_row(raw: Mapping[str, Any], codes: Sequence[str]) -> Row | None:
    broken, near = set(raw["policies"]), raw.get("near")
    concerned = broken or {near}
    if not concerned & set(codes):
        return None
    return Row(
        id=raw["id"],
        source=SEED_SOURCE,
        title=raw["title"],
        description=raw["description"],
        language=raw["language"],
        label_kind=raw["label_kind"],
        labels=tuple(float(code in broken) for code in codes),
        trust=authored_trust(codes, broken=broken, near=near),
        real=False,
    )


def authored_trust(codes: Sequence[str], *, broken: set[str], near: str | None) -> tuple[float, ...]:
    """Trust per policy in a row that was written to break `broken`, or to look like `near` and break nothing."""
    unknown = {neighbour for code in broken for neighbour in NEIGHBOURS.get(code, ())} - broken
    certain = broken | {near}
    return tuple(1.0 if code in certain else 0.0 if code in unknown else OTHER_TRUST for code in codes)


def _examples(policy: Policy, codes: Sequence[str]) -> Iterator[Row]:
    for kind, examples in (("violation", policy.violations), ("look-alike", policy.look_alikes)):
        for number, example in enumerate(examples, start=1):
            yield _example_row(policy.code, codes, kind, number, example)


def _example_row(policy: str, codes: Sequence[str], kind: str, number: int, example: Example) -> Row:
    broken = {policy} if kind == "violation" else set()
    return Row(
        id=f"{EXAMPLES_SOURCE}:{policy}:{kind}-{number}",
        source=EXAMPLES_SOURCE,
        title=example.title,
        description=example.description,
        language="en",
        label_kind=AUTHORED,
        labels=tuple(float(code in broken) for code in codes),
        trust=authored_trust(codes, broken=broken, near=policy),
        real=False,
    )


def _word_row(policy: str, term: Term, codes: Sequence[str]) -> Row:
    name = f"{WORDS_SOURCE}:{policy}:{term.text}"
    draw = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
    number, template = divmod(draw % (500 * len(WORD_TITLES)), len(WORD_TITLES))
    certain = AMBIGUOUS_TRUST if term.action is RuleAction.EVIDENCE else 1.0
    return Row(
        id=name,
        source=WORDS_SOURCE,
        title=WORD_TITLES[template].format(term=term.text, number=number + 1),
        description="",
        language="en",
        label_kind=POLICY_WORD,
        labels=tuple(float(code == policy) for code in codes),
        trust=tuple(certain if code == policy else 0.0 for code in codes),
        real=False,
    )
