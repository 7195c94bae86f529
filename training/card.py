"""The model card, filled in from what a run measured. The prose is in `card_template.md`; nothing is measured here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Any

from fairstall.evals.bootstrap import Estimate
from fairstall.evals.depth import Depth
from fairstall.evals.evaluation import Evaluation, Scope
from fairstall.evals.languages import LanguageGateReport
from fairstall.evals.robustness import Robustness
from fairstall.evals.slices import policy_scope
from fairstall.model.bundle import BundleFacts
from fairstall.model.certificates import Threshold
from fairstall.model.routing import Routing
from fairstall.training.examine import Examination
from fairstall.training.rows import AUTHORED
from fairstall.training.unseen import UnseenSource

NOTHING = "none"
NOT_MEASURED = "Not measured in this run."


@dataclass(frozen=True, slots=True)
class Results:
    """All that a run measured. `evaluations`, `baseline`: as `evaluate_split` gives them, real rows under True."""

    evaluations: Mapping[bool, Evaluation]
    baseline: Mapping[bool, Evaluation]
    examination: Examination
    unseen: Mapping[str, UnseenSource]


def model_card(facts: BundleFacts, results: Results, *, model_bytes: int) -> str:
    """The card as Markdown."""
    evaluations, baseline = results.evaluations, results.baseline
    template = resources.files("fairstall.training").joinpath("card_template.md").read_text(encoding="utf-8")
    real = evaluations.get(True)
    config = facts.training["config"]
    return Template(template).substitute(
        name=facts.name,
        created_at=facts.created_at,
        revision=facts.code_revision,
        size=f"{model_bytes / 1e6:.1f}",
        base=facts.training["base"],
        data_sha256=facts.data["sha256"],
        confidence=f"{100 * config['certify']['confidence']:g}",
        threshold_table=_threshold_table(facts),
        uncertified=_uncertified(facts),
        routing=_routing(facts.routing),
        policy_table=_policy_table(facts.labels, real, baseline.get(True)),
        macro=_macro(real, baseline.get(True)),
        authored_table=_policy_table(facts.labels, evaluations.get(False), baseline.get(False)),
        source_table=_source_table(real),
        unseen_table=_unseen_table(results.unseen),
        unseen_alarms=_unseen_alarms(results.unseen),
        attack_table=_attack_table(results.examination.robustness),
        defence=_defence(results.examination.robustness),
        depth_table=_depth_table(results.examination.depth),
        language_table=_language_table(results.examination.languages),
        speed_gain=_speed(facts),
        parity_table=_table(("measure", "value"), [(name, f"{value:g}") for name, value in facts.parity.items()]),
        data_table=_data_table(facts.data["sources"]),
        languages=", ".join(facts.languages),
        authored_only=", ".join(_authored_only(facts, real)) or NOTHING,
        most_tokens=facts.max_tokens + (facts.max_windows - 1) * (facts.max_tokens - facts.overlap_tokens),
        rows_seen=facts.training["rows_seen"],
        rows_per_second=facts.training["rows_per_second"],
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _threshold_table(facts: BundleFacts) -> str:
    block_head = ("block at", "precision, lower bound", "rows (errors)")
    head = ("policy", *block_head, "release below", "missed, upper bound", "violations (missed)", "holds")
    rows = []
    for code in facts.labels:
        thresholds = facts.thresholds[code]
        release = thresholds.release.certificate
        rows.append(
            (
                code,
                *_block_cells(thresholds.block),
                f"{thresholds.release.value:.4f}",
                f"{release.bound:.3f} (target {release.target:g})",
                f"{release.rows} ({release.errors})",
                "yes" if release.holds else "no",
            )
        )
    return _table(head, rows)


def _block_cells(block: Threshold | None) -> tuple[str, str, str]:
    if block is None:
        return ("never", "", "")
    certificate = block.certificate
    bound = f"{certificate.bound:.4f} (target {certificate.target:g})"
    return (f"{block.value:.4f}", bound, f"{certificate.rows} ({certificate.errors})")


def _uncertified(facts: BundleFacts) -> str:
    never = [code for code in facts.labels if facts.thresholds[code].block is None]
    if not never:
        return ""
    return (
        f"No block threshold could be certified for {', '.join(never)}: too few real held-out violations, or too many"
        " compliant rows among the highest scores. The model alone never blocks for these; people and rules do."
    )


def _routing(routing: Routing) -> str:
    if routing.review_budget is None:
        return "Cases are reviewed with the likeliest violations first: too few errors spoke for another order."
    return (
        f"Cases are reviewed in the order of the router `{routing.router}`, weighed by the severity of the policy:"
        f" with reviews of {100 * routing.review_budget:g} % of the certification rows it found the most errors."
    )


def _policy_table(codes: Sequence[str], found: Evaluation | None, baseline: Evaluation | None) -> str:
    if found is None:
        return "No rows of this kind."
    head = ("policy", "violations", "average precision", "baseline", "recall", "false alarms", "calibration error")
    rows = []
    for code in codes:
        scope = found.scopes.get(policy_scope(code))
        beside = baseline.scopes.get(policy_scope(code)) if baseline else None
        if scope:
            numbers = [_number(scope, metric) for metric in ("recall", "false_positive_rate", "ece")]
            precision = [_number(one, "average_precision") for one in (scope, beside)]
            rows.append((code, scope.violations, *precision, *numbers))
    return _table(head, rows)


def _source_table(found: Evaluation | None) -> str:
    if found is None:
        return "No real rows."
    sources = {name.removeprefix("source/"): s for name, s in found.scopes.items() if name.startswith("source/")}
    head = ("source", "rows", "violations", "violations found", "compliant rows stopped")
    rows = [
        (name, scope.rows, scope.violations, _number(scope, "recall"), _number(scope, "false_positive_rate"))
        for name, scope in sorted(sources.items())
    ]
    return _table(head, rows)


def _unseen_table(unseen: Mapping[str, UnseenSource]) -> str:
    head = ("unseen source", "policy", "violations", "average precision", "baseline", "difference")
    rows = []
    for source, found in unseen.items():
        mean = {"mean": found.macro} if found.macro and len(found.policies) > 1 else {}
        for code, one in {**found.policies, **mean}.items():
            numbers = f"{one.recipe:.3f}", f"{one.baseline:.3f}", _signed(one.difference)
            rows.append((source, code, one.violations, *numbers))
    return _table(head, rows) if rows else NOT_MEASURED


def _unseen_alarms(unseen: Mapping[str, UnseenSource]) -> str:
    head = ("unseen source", "compliant rows", "stopped at a release threshold")
    rows = [
        (source, found.compliant, _interval(found.false_alarms))
        for source, found in unseen.items()
        if found.compliant and found.false_alarms
    ]
    return _table(head, rows) if rows else NOT_MEASURED


def _attack_table(robustness: Robustness | None) -> str:
    if robustness is None or not robustness.scores:
        return NOT_MEASURED
    head = ("attack", "recall", "recall under attack", "kept by the score", "kept by the decision")
    rows = []
    for attack, kept in robustness.scores.items():
        decision = robustness.decisions.get(attack)
        shares = _interval(kept.kept), _interval(decision.kept if decision else None)
        rows.append((attack, f"{kept.plain.value:.3f}", f"{kept.changed.value:.3f}", *shares))
    return _table(head, rows)


def _defence(robustness: Robustness | None) -> str:
    if robustness is None or robustness.defence is None:
        return NOT_MEASURED
    return (
        f"Reading clean texts in the canonical view changes mean average precision by {_signed(robustness.defence, 4)}."
    )


def _depth_table(depth: Depth | None) -> str:
    if depth is None or not depth.kept:
        return NOT_MEASURED
    head = ("where the violation stands", "recall", "of the recall at the top")
    rows = [(f"{100 * at:.0f} %", f"{kept.changed.value:.3f}", _interval(kept.kept)) for at, kept in depth.kept.items()]
    alarms = f"Of {depth.words}-word texts without a violation, {_interval(depth.false_alarms)} are stopped."
    return f"{_table(head, rows)}\n\n{alarms}"


def _language_table(languages: Mapping[str, LanguageGateReport]) -> str:
    if not languages:
        return NOT_MEASURED
    head = (
        "language",
        "listings",
        "to a person when declared",
        "when not declared",
        "violations approved, not declared",
    )
    rows = [
        (code, one.rows, *(_interval(share) for share in (one.declared, one.undeclared, one.approved_violations)))
        for code, one in languages.items()
    ]
    return _table(head, rows)


def _speed(facts: BundleFacts) -> str:
    gain = facts.training.get("speed_gain")
    if not gain:
        return ""
    return (
        f" That is {gain:g} times as fast as Trainer's defaults (fp32, random order, nothing frozen) on rows of the"
        " same pass in the same run."
    )


def _number(scope: Scope | None, metric: str) -> str:
    return _interval(scope.metrics.get(metric) if scope else None)


def _interval(estimate: Estimate | None) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]" if estimate else ""


def _signed(estimate: Estimate, digits: int = 3) -> str:
    value, low, high = (f"{number:+.{digits}f}" for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def _macro(found: Evaluation | None, baseline: Evaluation | None) -> str:
    parts = []
    for name, evaluation in (("this model", found), ("baseline", baseline)):
        if evaluation:
            macro = evaluation.scopes["macro"]
            parts.append(
                f"{name}: average precision {_number(macro, 'average_precision')}, ECE {_number(macro, 'ece')}"
            )
    return "; ".join(parts) or NOTHING


def _authored_only(facts: BundleFacts, real: Evaluation | None) -> list[str]:
    measured = set(real.scopes) if real else set()
    return [code for code in facts.labels if policy_scope(code) not in measured]


def _data_table(sources: Mapping[str, Any]) -> str:
    head = ("source", "rows", "violations", "labels by", "languages", "origin", "licence")
    rows = []
    for name, source in sources.items():
        written = set(source["label_kinds"]) == {AUTHORED}
        origin, licence = ("written for this project", "Apache-2.0") if written else ("", "")
        rows.append(
            (
                name,
                source["rows"],
                source["violations"],
                ", ".join(source["label_kinds"]),
                ", ".join(source["languages"]),
                source.get("origin", origin),
                source.get("licence", licence),
            )
        )
    return _table(head, rows)
