"""Thresholds and the evidence they rest on. Training certifies them; decide() only asks whether they may act."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Certificate:
    """What held-out rows say of one threshold, at 95 % confidence, one-sided (Clopper and Pearson 1934).

    For a block threshold `rows` are those at or above it, `errors` the compliant ones among them, and `bound` the lower
    bound of precision. For a release threshold `rows` are the violations of the policy, `errors` those below it, and
    `bound` the upper bound of the share missed. `target` is what `bound` had to reach.
    """

    target: float
    bound: float
    rows: int
    errors: int
    holds: bool


@dataclass(frozen=True, slots=True)
class Threshold:
    value: float
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class PolicyThresholds:
    """Where a policy's model score acts.

    `block`: at or above, an automatic block; None when no threshold could be certified.
    `release`: below, the policy does not stand in the way of approval. It always exists; its certificate says
    whether it holds or is only the best that the evidence allows.
    """

    release: Threshold
    block: Threshold | None = None

    def may_block(self, probability: float, *, precision_target: float) -> bool:
        """True at or above a block threshold that is certified for at least `precision_target`."""
        return (
            self.block is not None
            and self.block.certificate.holds
            and self.block.certificate.target >= precision_target
            and probability >= self.block.value
        )


def thresholds_from_json(value: Mapping[str, Any]) -> PolicyThresholds:
    """PolicyThresholds from its `bundle.json` form (`dataclasses.asdict`). Raises KeyError or TypeError."""
    return PolicyThresholds(
        release=_threshold(value["release"]),
        block=None if value["block"] is None else _threshold(value["block"]),
    )


def _threshold(value: Mapping[str, Any]) -> Threshold:
    return Threshold(value=float(value["value"]), certificate=Certificate(**value["certificate"]))
