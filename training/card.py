"""The model card, filled in from what a run measured. The prose is in `card_template.md`; nothing is measured here."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from string import Template
from typing import Any

from fairstall.evals.evaluation import Evaluation, Scope
from fairstall.evals.slices import policy_scope
from fairstall.model.bundle import BundleFacts
from fairstall.model.certificates import Threshold
from fairstall.training.rows import AUTHORED

NOTHING = "none"


def model_card(
    facts: BundleFacts,
    evaluations: Mapping[bool, Evaluation],
    baseline: Mapping[bool, Evaluation],
    *,
    model_bytes: int,
) -> str:
    """The card as Markdown. `evaluations` as from `evaluate_split`: real rows (True), authored ones (False)."""
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
        policy_table=_policy_table(facts.labels, real, baseline.get(True)),
        macro=_macro(real, baseline.get(True)),
        authored_table=_policy_table(facts.labels, evaluations.get(False), baseline.get(False)),
        source_table=_source_table(real),
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


def _number(scope: Scope | None, metric: str) -> str:
    estimate = scope.metrics.get(metric) if scope else None
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]" if estimate else ""


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
