"""Which decisions people are asked about, and how soon. The queue itself is `labeling`'s."""

import random
from datetime import datetime

from fairstall.model.bundle import BundleFacts
from fairstall.model.decide import Finding, Outcome
from fairstall.model.decision import Assessment
from fairstall.model.identifiers import time_ordered_id
from fairstall.model.listing import Listing
from fairstall.model.policies import PolicySet, Severity
from fairstall.model.urgency import urgency_of
from fairstall.records.ledger import CaseReason, NewCase

SEVERITY_WEIGHT = {Severity.LOW: 0.25, Severity.MEDIUM: 0.5, Severity.HIGH: 0.75, Severity.CRITICAL: 1.0}
WITHOUT_SCORE = 0.5  # a rule's match on a policy that no model scores
NEAR_DUPLICATE = 0.75  # at least, whatever the model says: a person or a certified model blocked nearly the same text
WITHOUT_FINDING = 0.25  # a doubt alone: the language is unknown, the text too long or disguised


def case_for(
    listing: Listing, assessment: Assessment, policies: PolicySet, facts: BundleFacts, *, now: datetime
) -> NewCase | None:
    """The case that an assessment by that bundle opens: none, an uncertain one, or one of the control sample.

    A control case has a random priority, so that its place in the queue does not give it away.
    """
    if assessment.outcome is Outcome.REVIEW:
        gravest = max(assessment.findings, key=lambda finding: _priority(finding, policies, facts), default=None)
        reason, priority = CaseReason.UNCERTAIN, _priority(gravest, policies, facts) if gravest else WITHOUT_FINDING
    elif assessment.sampling.control:
        gravest = next(iter(assessment.findings), None)
        reason, priority = CaseReason.CONTROL, random.random()
    else:
        return None
    named = [policies[finding.policy] for finding in assessment.findings]
    urgency = urgency_of(now, priority, policies=named, market=listing.market, reach=listing.reach)
    return NewCase(time_ordered_id(now), reason, gravest.policy if gravest else None, priority, urgency)


def _priority(finding: Finding, policies: PolicySet, facts: BundleFacts) -> float:
    """What looking at it saves, 0 to 1: the weight of the policy's severity times the doubt of the bundle's routing."""
    doubt = _doubt(finding, facts)
    return SEVERITY_WEIGHT[policies[finding.policy].severity] * (
        max(doubt, NEAR_DUPLICATE) if finding.resembles else doubt
    )


def _doubt(finding: Finding, facts: BundleFacts) -> float:
    if finding.probability is None:
        return WITHOUT_SCORE
    release = facts.thresholds[finding.policy].release.value
    return facts.routing.doubt(finding.policy, finding.probability, release)
