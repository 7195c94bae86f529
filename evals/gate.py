"""The gate: may this candidate replace the champion? Every rule applied is a line; it scores and deploys nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

from fairstall.evals.compare import Comparison, Difference, Word
from fairstall.evals.gate_rules import (
    AttackRule,
    BundleRule,
    CalibrationRule,
    CoverageRule,
    GateRules,
    MacroRule,
    PolicyRule,
    SpeedRule,
)
from fairstall.evals.slices import LISTING, MACRO, POLICY_PREFIX
from fairstall.evals.trials import Trials
from fairstall.model.bundle import Bundle


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the gate asks of a bundle beside its scores. `problem` says why it does not open, None when it does.

    `blocks` and `releases` are the policies whose threshold is certified. `parity` is what the export measured of its
    drift, by name.
    """

    version: str
    policies: frozenset[str] = frozenset()
    blocks: frozenset[str] = frozenset()
    releases: frozenset[str] = frozenset()
    parity: Mapping[str, float] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class GateLine:
    """One rule applied: what was measured, and what would have been needed."""

    rule: str
    passed: bool
    measured: str
    limit: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.measured} (needed: {self.limit})"


@dataclass(frozen=True, slots=True)
class GateVerdict:
    lines: tuple[GateLine, ...]

    @property
    def passed(self) -> bool:
        return all(line.passed for line in self.lines)

    @property
    def failures(self) -> tuple[GateLine, ...]:
        return tuple(line for line in self.lines if not line.passed)

    def reason(self) -> str:
        """One line: the failing rules, or that all hold."""
        if self.passed:
            return f"passed all {len(self.lines)} rules of the gate"
        return "refused by the gate: " + "; ".join(map(str, self.failures))


def model_facts(bundle: Bundle) -> ModelFacts:
    """The facts of an opened bundle."""
    facts = bundle.facts
    thresholds = facts.thresholds
    return ModelFacts(
        version=bundle.version,
        policies=frozenset(facts.labels),
        blocks=frozenset(c for c in facts.labels if (b := thresholds[c].block) and b.certificate.holds),
        releases=frozenset(c for c in facts.labels if thresholds[c].release.certificate.holds),
        parity={name: float(value) for name, value in facts.parity.items()},
    )


def judge(
    comparison: Comparison | None,
    trials: Trials | None,
    *,
    candidate: ModelFacts,
    champion: ModelFacts | None,
    rules: GateRules,
) -> GateVerdict:
    """Apply every rule. `comparison` and `trials` have the champion first and the candidate second.

    Without a champion there is nothing to compare with, and only the rules about the bundle itself apply. A candidate
    that does not open is asked nothing else.
    """
    lines = list(_bundle_lines(candidate, rules.bundle))
    if candidate.problem is None and champion is not None:
        if comparison is None or trials is None:
            raise ValueError("a candidate is judged against a champion by a comparison and by trials")
        lines += _measured_lines(comparison, rules)
        lines += _attack_lines(trials, rules.attacks)
        lines.append(_speed_line(trials, rules.speed))
        lines.append(_automation_line(comparison.find(LISTING, "automation_rate"), rules.coverage))
        lines += _coverage_lines(candidate, champion, rules.coverage)
    return GateVerdict(tuple(lines))


def _bundle_lines(candidate: ModelFacts, rule: BundleRule) -> Iterator[GateLine]:
    yield GateLine("bundle.opens", candidate.problem is None, candidate.problem or "opens and runs", "opens and runs")
    if candidate.problem is not None:
        return
    for name in (limit.name for limit in fields(rule)):
        found, limit = candidate.parity.get(name), float(getattr(rule, name))
        measured = "not recorded" if found is None else f"{found:.4f}"
        yield GateLine(f"bundle.{name}", found is not None and found <= limit, measured, f"{limit:g} at most")


def _measured_lines(comparison: Comparison, rules: GateRules) -> Iterator[GateLine]:
    yield _macro_line(comparison.find(MACRO, rules.macro.metric), rules.macro)
    for found in comparison.differences:
        if found.scope.startswith(POLICY_PREFIX) and found.metric == rules.policy.metric:
            yield _policy_line(found, rules.policy)
    yield _calibration_line(comparison.find(MACRO, "ece"), rules.calibration)


def _macro_line(found: Difference | None, rule: MacroRule) -> GateLine:
    name = f"macro.{rule.metric}"
    better = rule.require == "better"
    limit = "better, the whole interval above 0" if better else f"not worse by more than {rule.margin:g}"
    if found is None:
        return GateLine(name, False, "not measured: no row violates a policy", limit)
    passed = found.verdict is Word.BETTER if better else found.largest_loss < rule.margin
    return GateLine(name, passed, f"{_shown(found)}, {found.verdict}", limit)


def _policy_line(found: Difference, rule: PolicyRule) -> GateLine:
    return _loss_line(f"{found.scope}.{found.metric}", found, rule.largest_loss)


def _attack_lines(trials: Trials, rule: AttackRule) -> Iterator[GateLine]:
    for name, found in trials.attacks.items():
        yield _loss_line(f"attacks.{name}.recall", found, rule.largest_recall_loss)
    if not trials.attacks:
        measured = "not measured: no violation is in a language that both read"
        yield GateLine("attacks.recall", False, measured, _no_loss_above(rule.largest_recall_loss))


def _speed_line(trials: Trials, rule: SpeedRule) -> GateLine:
    measured = f"{100 * trials.slowdown:+.0f} % time a listing"
    limit = f"{100 * rule.largest_slowdown:+.0f} % at most"
    return GateLine("speed.slowdown", trials.slowdown <= rule.largest_slowdown, measured, limit)


def _automation_line(found: Difference | None, rule: CoverageRule) -> GateLine:
    if found is None:
        limit = _no_loss_above(rule.largest_automation_loss)
        return GateLine("coverage.automation_rate", False, "not measured: no truth is known", limit)
    return _loss_line("coverage.automation_rate", found, rule.largest_automation_loss)


def _loss_line(name: str, found: Difference, largest_loss: float) -> GateLine:
    """Refuses a loss that is larger with confidence: the whole interval lies beyond the limit."""
    lost = found.verdict is Word.WORSE and found.smallest_loss > largest_loss
    return GateLine(name, not lost, f"{_shown(found)}, {found.verdict}", _no_loss_above(largest_loss))


def _no_loss_above(limit: float) -> str:
    return f"no loss above {limit:g} with confidence"


def _calibration_line(found: Difference | None, rule: CalibrationRule) -> GateLine:
    limit = f"a rise of {rule.largest_ece_rise:g} at most"
    if found is None:
        return GateLine("calibration.ece", False, "not measured: no row violates a policy", limit)
    return GateLine("calibration.ece", found.difference.value <= rule.largest_ece_rise, _shown(found), limit)


def _coverage_lines(candidate: ModelFacts, champion: ModelFacts, rule: CoverageRule) -> Iterator[GateLine]:
    for name, now, before, fewer in (
        ("policies", candidate.policies, champion.policies, rule.fewer_policies),
        ("block_certificates", candidate.blocks, champion.blocks, rule.fewer_block_certificates),
        ("release_certificates", candidate.releases, champion.releases, rule.fewer_release_certificates),
    ):
        least = max(0, len(before) - fewer)
        lost = ", ".join(sorted(before - now))
        measured = f"{len(now)}, without {lost}" if lost else str(len(now))
        yield GateLine(f"coverage.{name}", len(now) >= least, measured, f"{least} at least")


def _shown(found: Difference) -> str:
    by = found.difference
    return f"{found.first:.3f} -> {found.second:.3f}, {by.value:+.3f} [{by.low:+.3f}, {by.high:+.3f}]"
