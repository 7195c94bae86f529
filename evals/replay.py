"""One past decision under the old policies and under new ones, from its stored scores. Counting is for `backtest`.

Scores and doubts are the model's and stay as stored, and so do the blocked listings that were resembled. Rules run
again only where the store cannot tell what they found: findings keep neither the action of a match nor the evidence of
a policy that let the listing pass.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from fairstall.model.certificates import PolicyThresholds
from fairstall.model.decide import Doubt, Finding, Likeness, Outcome, RuleMatch, Source, Verdict, decide
from fairstall.model.decision import Assessment
from fairstall.model.listing import Listing
from fairstall.model.policies import Policy, PolicySet, RuleAction
from fairstall.model.rules import RuleBook
from fairstall.model.view import view_listing

Thresholds: TypeAlias = Mapping[str, PolicyThresholds]
Move: TypeAlias = tuple[Outcome, Outcome]


@dataclass(frozen=True, slots=True)
class Models:
    """Thresholds of the bundles at hand by version, and those to use for a decision whose bundle is not among them."""

    by_version: Mapping[str, Thresholds]
    in_force: Thresholds


@dataclass(frozen=True, slots=True)
class Side:
    """A verdict, and what each policy with a finding asks for by itself."""

    verdict: Verdict
    effects: Mapping[str, Outcome]

    @property
    def outcome(self) -> Outcome:
        return self.verdict.outcome

    def effect(self, code: str) -> Outcome:
        return self.effects.get(code, Outcome.APPROVE)


@dataclass(frozen=True, slots=True)
class Change:
    """A decision before and after.

    `other_policies`: it was made under other policies than the old ones; `other_model`: by a bundle that is not at
    hand. Then both sides are computed; otherwise the old side is what is stored.
    """

    old: Side
    new: Side
    other_policies: bool = False
    other_model: bool = False

    @property
    def move(self) -> Move:
        return self.old.outcome, self.new.outcome

    @property
    def changed(self) -> bool:
        return self.old.outcome is not self.new.outcome

    @property
    def shifted(self) -> tuple[str, ...]:
        """The policies that ask for something else than before."""
        codes = sorted({*self.old.effects, *self.new.effects})
        return tuple(code for code in codes if self.old.effect(code) is not self.new.effect(code))


class Replay:
    """Two policy sets side by side. Immutable but for what it compiles at first need."""

    def __init__(self, old: PolicySet, new: PolicySet, models: Models) -> None:
        self.old, self.new = old, new
        self._models = models
        self._before, self._after = _Judge(old), _Judge(new)
        changed = tuple(policy for policy in new if _rules(old.by_code.get(policy.code)) != _rules(policy))
        self._kept = frozenset(new.codes) - {policy.code for policy in changed}
        self._added = frozenset(new.codes) - frozenset(old.codes)
        self._changed = _rule_book(new, [policy for policy in changed if _rules(policy) != _NO_RULES])
        self._blocking = frozenset(policy.code for policy in old if _may_block(policy))

    def change(self, stored: Assessment, listing: Listing) -> Change:
        """What becomes of the decision `stored` on `listing`."""
        thresholds = self._models.by_version.get(stored.versions.model)
        other_policies, other_model = stored.versions.policies != self.old.version, thresholds is None
        acting = self._models.in_force if thresholds is None else thresholds
        case = _Case(stored.probabilities, acting, stored.doubts, _likenesses(stored.findings))
        if other_policies or other_model or self._hides_a_block(stored) or Doubt.NOT_SCORED in stored.doubts:
            view = view_listing(listing)
            old = self._before.side(case, self._before.rules.matches(view))
            return Change(old, self._after.side(case, self._after.rules.matches(view)), other_policies, other_model)
        found = _carried(stored.findings)
        verdict = Verdict(stored.outcome, stored.findings, stored.doubts)
        old = Side(verdict, self._before.effects(case, verdict.findings, found))
        matches = [*self._still(found), *self._newly_found(listing)]
        return Change(old, self._after.side(case, matches, among=self._stirred(stored, matches)))

    def _still(self, found: Iterable[RuleMatch]) -> Iterable[RuleMatch]:
        return (match for match in found if match.policy in self._kept)

    def _stirred(self, stored: Assessment, matches: Iterable[RuleMatch]) -> frozenset[str]:
        """The policies that can have a finding: an old one without a finding and without a match has none again."""
        return self._added.union((one.policy for one in stored.findings), (match.policy for match in matches))

    def _newly_found(self, listing: Listing) -> Sequence[RuleMatch]:
        return self._changed.matches(view_listing(listing)) if self._changed else ()

    def _hides_a_block(self, stored: Assessment) -> bool:
        """Whether a rule may have blocked: the action of a match is not stored."""
        return stored.outcome is Outcome.BLOCK and any(
            finding.policy in self._blocking and finding.source is not Source.MODEL for finding in stored.findings
        )


@dataclass(frozen=True, slots=True)
class _Case:
    """What both sides share."""

    probabilities: Mapping[str, float]
    thresholds: Thresholds
    doubts: tuple[Doubt, ...]
    likenesses: tuple[Likeness, ...]


class _Judge:
    """One policy set, its rules compiled when they are first needed, and each policy as a set of its own."""

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies
        self._alone = {policy.code: PolicySet(policies.version, (policy,)) for policy in policies}

    @cached_property
    def rules(self) -> RuleBook:
        return RuleBook(self._policies)

    def side(self, case: _Case, matches: Sequence[RuleMatch], *, among: frozenset[str] | None = None) -> Side:
        """The verdict, with `among` on those policies alone."""
        policies = self._policies if among is None else self._some(among)
        verdict = decide(policies, case.probabilities, case.thresholds, matches, case.doubts, case.likenesses)
        return Side(verdict, self.effects(case, verdict.findings, matches))

    def _some(self, codes: frozenset[str]) -> PolicySet:
        return PolicySet(self._policies.version, tuple(one for one in self._policies if one.code in codes))

    def effects(self, case: _Case, findings: Iterable[Finding], matches: Sequence[RuleMatch]) -> Mapping[str, Outcome]:
        return {
            finding.policy: decide(
                self._alone[finding.policy], case.probabilities, case.thresholds, matches, likenesses=case.likenesses
            ).outcome
            for finding in findings
        }


def _carried(findings: Iterable[Finding]) -> list[RuleMatch]:
    """Stored evidence as matches that ask for review: one did where the model saw nothing, elsewhere the model does.

    Where a blocked listing alone asked for it, they asked for nothing. Where one may have asked for more, all rules
    run again.
    """
    return [
        RuleMatch(finding.policy, _asked(finding), evidence) for finding in findings for evidence in finding.evidence
    ]


def _asked(finding: Finding) -> RuleAction:
    return RuleAction.EVIDENCE if finding.source is Source.NEAR_DUPLICATE else RuleAction.REVIEW


def _likenesses(findings: Iterable[Finding]) -> tuple[Likeness, ...]:
    return tuple(Likeness(finding.policy, finding.resembles) for finding in findings if finding.resembles)


_NO_RULES: tuple[object, object] = ((), ())


def _rules(policy: Policy | None) -> tuple[object, object] | None:
    return None if policy is None else (policy.terms, policy.patterns)


def _rule_book(policies: PolicySet, some: Sequence[Policy]) -> RuleBook | None:
    return RuleBook(PolicySet(policies.version, tuple(some))) if some else None


def _may_block(policy: Policy) -> bool:
    actions = [rule.action for rule in policy.terms] + [rule.action for rule in policy.patterns]
    return RuleAction.BLOCK in actions
