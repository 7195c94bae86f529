"""RuleBook: the terms and patterns of all policies, run on a listing's view. `decide` says what a match leads to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from fairstall.model.decide import Evidence, RuleMatch
from fairstall.model.listing import TEXT_FIELDS, Field
from fairstall.model.patterns import CompiledPattern, any_of, compile_pattern, searchable
from fairstall.model.policies import Policy, PolicySet, RuleAction, Term
from fairstall.model.terms import TermIndex
from fairstall.model.view import ListingView, canonical_text

MATCHES_PER_POLICY = 50
EVIDENCE_CHARACTERS = 300
GATE_INSTRUCTIONS = 12_000  # of RE2; a larger expression outgrows its automaton's memory and crawls
_GRAVITY = {action: rank for rank, action in enumerate(RuleAction)}


@dataclass(frozen=True, slots=True)
class _Span:
    """`start:end` of a field's canonical text, and the gravest action that a rule asks for there."""

    field: Field
    start: int
    end: int
    action: RuleAction


@dataclass(frozen=True, slots=True)
class _Patterns:
    """One policy's patterns, behind a gate that says in one search whether any of them matches."""

    policy: Policy
    gate: CompiledPattern | None
    patterns: Sequence[tuple[CompiledPattern, RuleAction]]


@dataclass(frozen=True, slots=True)
class _Group:
    """Some policies behind one more gate, since most listings match none. It searches all fields at once, as lines."""

    gate: CompiledPattern | None
    members: Sequence[_Patterns]


class RuleBook:
    """All rules of a policy set, compiled. Immutable after construction and safe to share between threads."""

    def __init__(self, policies: PolicySet) -> None:
        self._codes = policies.codes
        self._terms = TermIndex(
            [(text, (p.code, term.action)) for p in policies for term in p.terms for text in _readings(term)]
        )
        self._groups = _grouped([_compiled(policy) for policy in policies if policy.patterns])

    def matches(self, view: ListingView) -> list[RuleMatch]:
        """Matches in the order of policies, fields and positions; at most fifty for a policy, the gravest kept.

        Evidence is raw text, its first 300 characters when it is longer. Matches of one policy that overlap are one
        match with the gravest action.
        Time is linear in the length of the listing.
        """
        found = _Found()
        texts = {field: searchable(view.field(field).text) for field in TEXT_FIELDS}
        lines = "\n".join(texts.values())
        groups = [group for group in self._groups if _may_match(group.gate, lines)]
        for field, text in texts.items():
            self._find_terms(field, text, found)
            _find_patterns(groups, field, text, found)
        codes = found.codes
        return [_match(view, code, span) for code in self._codes if code in codes for span in found.kept(code)]

    def _find_terms(self, field: Field, text: str, found: "_Found") -> None:
        for hit in self._terms.hits(text):
            code, action = hit.payload
            found.add(code, _Span(field, hit.start, hit.end, action))


class _Found:
    """Spans by policy, bounded while they are gathered: a flood of weak words cannot push out a grave one."""

    def __init__(self) -> None:
        self._spans: dict[tuple[str, RuleAction], list[_Span]] = {}

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(code for code, _ in self._spans)

    def add(self, code: str, span: _Span) -> None:
        spans = self._spans.setdefault((code, span.action), [])
        if len(spans) < MATCHES_PER_POLICY:
            spans.append(span)

    def kept(self, code: str) -> list[_Span]:
        gathered = [span for action in RuleAction for span in self._spans.get((code, action), ())]
        merged = [span for field in TEXT_FIELDS for span in _merged([s for s in gathered if s.field == field])]
        if len(merged) <= MATCHES_PER_POLICY:
            return merged
        gravest = sorted(range(len(merged)), key=lambda index: -_GRAVITY[merged[index].action])
        return [merged[index] for index in sorted(gravest[:MATCHES_PER_POLICY])]


def _find_patterns(groups: Sequence[_Group], field: Field, text: str, found: _Found) -> None:
    for one in (member for group in groups for member in group.members if _may_match(member.gate, text)):
        for pattern, action in one.patterns:
            for start, end in _spans(pattern, text):
                found.add(one.policy.code, _Span(field, start, end, action))


def _readings(term: Term) -> set[str]:
    """The term as written and as the canonical view would show it, since a listing may meet either."""
    return {term.text, canonical_text(term.text).text}


def _merged(spans: Sequence[_Span]) -> list[_Span]:
    """Spans of one field by position, those that overlap made one."""
    merged: list[_Span] = []
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        last = merged[-1] if merged else None
        if last is None or span.start >= last.end:
            merged.append(span)
            continue
        action = max(last.action, span.action, key=_GRAVITY.__getitem__)
        merged[-1] = replace(last, end=max(last.end, span.end), action=action)
    return merged


def _spans(pattern: CompiledPattern, text: str) -> Iterator[tuple[int, int]]:
    """The first matches that are not empty. Bounded: each search may read to the end of the text."""
    matches = ((match.start(), match.end()) for match in islice(pattern.finditer(text), MATCHES_PER_POLICY))
    return (span for span in matches if span[0] < span[1])


def _match(view: ListingView, code: str, span: _Span) -> RuleMatch:
    canonical = view.field(span.field)
    start, end = canonical.raw_span(span.start, span.end)
    end = min(end, start + EVIDENCE_CHARACTERS)
    return RuleMatch(code, span.action, Evidence(span.field, start, end, canonical.raw[start:end]))


def _may_match(gate: CompiledPattern | None, text: str) -> bool:
    return gate is None or gate.search(text) is not None


def _compiled(policy: Policy) -> _Patterns:
    patterns = [(compile_pattern(pattern.regex), pattern.action) for pattern in policy.patterns]
    return _Patterns(policy, any_of(_regexes([policy])), patterns)


def _regexes(policies: Sequence[Policy]) -> tuple[str, ...]:
    return tuple(pattern.regex for policy in policies for pattern in policy.patterns)


def _grouped(compiled: Sequence[_Patterns]) -> list[_Group]:
    """Neighbours together while their gates are small enough for one; others by themselves."""
    runs: list[list[_Patterns]] = []
    size = GATE_INSTRUCTIONS
    for one in compiled:
        added = one.gate.programsize if one.gate is not None else GATE_INSTRUCTIONS
        if size + added > GATE_INSTRUCTIONS:
            runs.append([])
            size = 0
        runs[-1].append(one)
        size += added
    return [_Group(any_of(_regexes([one.policy for one in run]), in_lines=True), run) for run in runs]
