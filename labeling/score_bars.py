"""A histogram as it is drawn: the height and the band of each bar, and where the thresholds stand."""

from collections.abc import Mapping
from dataclasses import dataclass

from fairstall.labeling.score_ranges import Bin, Histogram
from fairstall.model.certificates import PolicyThresholds
from fairstall.model.decide import Band
from fairstall.model.policies import Policy


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin. `height`, 0 to 100, is its share of the largest; `thresholds` are those inside it, by where, 0 to 10.

    `bands` are those that probabilities in it may have, none where no threshold is known.
    """

    bin: Bin
    height: float
    bands: tuple[Band, ...]
    thresholds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ScoreBars:
    """`release` and `block` are probabilities; None where there is none that acts."""

    histogram: Histogram
    bars: tuple[Bar, ...]
    release: float | None
    block: float | None


def score_bars(histogram: Histogram, policy: Policy | None, thresholds: PolicyThresholds | None) -> ScoreBars:
    """`thresholds` are those of the bundle in force; a block threshold counts where it may act for the policy."""
    release = thresholds.release.value if thresholds else None
    block = _acting_block(policy, thresholds)
    largest = max((one.count for one in histogram.bins), default=0) or 1
    bars = tuple(
        Bar(
            bin=one,
            height=round(100 * one.count / largest, 1),
            bands=_bands(one, release, block),
            thresholds={
                name: round(10 * (100 * value - one.low) / (one.high - one.low), 1)
                for name, value in (("release", release), ("block", block))
                if value is not None and one.low <= 100 * value < one.high
            },
        )
        for one in histogram.bins
    )
    return ScoreBars(histogram, bars, release, block)


def _acting_block(policy: Policy | None, thresholds: PolicyThresholds | None) -> float | None:
    if policy is None or thresholds is None or thresholds.block is None:
        return None
    value = thresholds.block.value
    return value if thresholds.may_block(value, precision_target=policy.targets.precision) else None


def _bands(one: Bin, release: float | None, block: float | None) -> tuple[Band, ...]:
    if release is None:
        return ()
    ends = {Band.LOW: (0.0, release), Band.MEDIUM: (release, block or 1.01), Band.HIGH: (block or 1.01, 1.01)}
    return tuple(band for band, (start, end) in ends.items() if max(start, one.low / 100) < min(end, one.high / 100))
