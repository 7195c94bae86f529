"""What the gate tries on both bundles beside comparing them as they are: disguised violations, and the clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fairstall.evals.attacks import ATTACKS
from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.compare import Contender, Difference, compare
from fairstall.evals.progress import Begin
from fairstall.evals.robustness import attacked
from fairstall.evals.rows import EvalRow
from fairstall.evals.sampling import both_sides, covered
from fairstall.evals.scored import score_rows
from fairstall.evals.slices import MACRO
from fairstall.evals.speed import LISTINGS, ROUNDS, listing_times
from fairstall.model.bundle import Bundle
from fairstall.model.policies import PolicySet

VIOLATIONS = 300


@dataclass(frozen=True, slots=True)
class Trials:
    """`attacks`: per attack the difference in macro recall, none when no violation could be attacked. `slowdown`: by
    what share of the champion's time the candidate takes longer for the same listings, negative when it is faster.
    """

    attacks: Mapping[str, Difference]
    slowdown: float


def try_both(
    champion: Bundle,
    candidate: Bundle,
    rows: Sequence[EvalRow],
    *,
    policies: PolicySet,
    bootstrap: Bootstrap,
    begin: Begin,
) -> Trials:
    """Both tried on the same sample of the rows that are in a language which both read."""
    languages = [code for code in champion.facts.languages if code in candidate.facts.languages]
    sample = covered(rows, languages)
    sides = (champion, candidate)
    attacks = _under_attack(sides, sample, policies, bootstrap, begin)
    return Trials(attacks, _slowdown(sides, sample or rows, policies, begin))


def _under_attack(
    sides: tuple[Bundle, Bundle], sample: Sequence[EvalRow], policies: PolicySet, bootstrap: Bootstrap, begin: Begin
) -> dict[str, Difference]:
    violations = [row for row in sample if row.policies][:VIOLATIONS]
    progress = begin("attacks", len(ATTACKS) * len(sides) * len(violations))
    found = {}
    for name, attack in ATTACKS.items() if violations else ():
        disguised = [attacked(row, attack) for row in violations]
        first, second = (
            Contender(
                side.version,
                score_rows(side, disguised, policies=policies, progress=progress),
                side.facts.thresholds,
            )
            for side in sides
        )
        if difference := compare(first, second, bootstrap=bootstrap).find(MACRO, "recall"):
            found[name] = difference
    return found


def _slowdown(sides: tuple[Bundle, Bundle], rows: Sequence[EvalRow], policies: PolicySet, begin: Begin) -> float:
    listings = [row.listing() for row in both_sides(rows, LISTINGS // 2)]
    progress = begin("speed", ROUNDS * len(listings))
    before, after = listing_times(sides, listings, policies=policies, progress=progress).sum(axis=1).tolist()
    return float(after / before - 1)
