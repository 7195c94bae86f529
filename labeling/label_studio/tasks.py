"""One case as a Label Studio task: its data, the model's prediction and people's annotations. No database.

Offsets of text regions are Unicode code points, in Label Studio as here, and each line end counts as one.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from fairstall.labeling.label_studio.interface import ASKED_OF, CHOICES, COMPLIANT, EVIDENCE, FACTS
from fairstall.model.decide import Finding
from fairstall.model.decision import Assessment
from fairstall.model.wire import iso_utc


def task_data(body: Mapping[str, Any], *, case_id: str, decision_id: str) -> dict[str, str]:
    """What annotators see of a stored listing, and the ids that lead back to it; what it lacks is empty.

    Nothing tells the seller, why the listing is a case, or how likely it was to become one: where that differs, it
    would tell blind cases from others.
    """
    price = body.get("price")
    facts = {**body, "price": f"{price['amount']} {price['currency']}" if price else ""}
    return {
        "title": body["title"],
        "description": body["description"],
        **{name: facts.get(name) or "" for name in FACTS},
        "listing_id": body["listing_id"],
        "decision_id": decision_id,
        "case_id": case_id,
    }


def predictions(assessment: Assessment, codes: Container[str]) -> list[dict[str, Any]]:
    """What the model found, as one prediction: its policies among `codes` as choices, and the evidence for them.

    `score` is the highest probability among them. Where nothing was found there is no prediction, so that a listing
    under review for doubt alone looks like a blind one.
    """
    findings = [finding for finding in assessment.findings if finding.policy in codes]
    if not findings:
        return []
    result = [_choices([finding.policy for finding in findings]), *_evidence(findings)]
    prediction = {"model_version": assessment.versions.model, "result": result}
    scores = [finding.probability for finding in findings if finding.probability is not None]
    return [prediction | {"score": max(scores)} if scores else prediction]


def annotation(
    policies: Sequence[str], *, claimed_at: datetime, decided_at: datetime, email: str | None
) -> dict[str, Any]:
    """One review as an annotation; `lead_time` in seconds. Without `email` it will be whoever imports it."""
    body = {
        "result": [_choices(policies or [COMPLIANT])],
        "lead_time": round((decided_at - claimed_at).total_seconds(), 3),
        "created_at": iso_utc(decided_at),
        "was_cancelled": False,
        "ground_truth": False,  # Label Studio takes an imported annotation for the truth unless told
    }
    return body | {"completed_by": {"email": email}} if email else body


def _choices(values: Sequence[str]) -> dict[str, Any]:
    return _region(CHOICES, CHOICES, ASKED_OF, "choices", {"choices": list(values)})


def _evidence(findings: Sequence[Finding]) -> Iterator[dict[str, Any]]:
    pairs = [(finding.policy, evidence) for finding in findings for evidence in finding.evidence]
    for number, (policy, evidence) in enumerate(pairs, start=1):
        span = {"start": evidence.start, "end": evidence.end, "text": evidence.text, "labels": [policy]}
        yield _region(f"evidence-{number}", EVIDENCE[evidence.field], evidence.field, "labels", span)


def _region(region_id: str, control: str, text: str, kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": region_id, "from_name": control, "to_name": text, "type": kind, "value": value}
