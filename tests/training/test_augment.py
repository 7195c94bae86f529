"""Training rows are disguised on both sides, as often as the configuration says, and keep their labels."""

import random
from collections.abc import Callable
from dataclasses import replace

from fairstall.evals.attacks import ATTACKS
from fairstall.training.augment import HOW_OFTEN, disguised_row
from fairstall.training.config import SamplingConfig
from fairstall.training.recipes import DRUGS
from fairstall.training.rows import Row
from fairstall.training.sampling import training_pass

MakeRow = Callable[..., Row]
TITLE = "Wooden garden chair with cushions"


def test_every_attack_of_the_suite_is_learned() -> None:
    assert set(HOW_OFTEN) == set(ATTACKS)


def test_a_disguise_changes_the_text_and_nothing_else(make_row: MakeRow) -> None:
    row = make_row("a:1", TITLE, [DRUGS])
    disguised = [disguised_row(row, random.Random(seed)) for seed in range(20)]
    assert sum(one.title != TITLE for one in disguised) > 15
    assert {replace(one, title=TITLE) for one in disguised} == {row}


def test_both_sides_are_disguised_as_often_as_asked(make_row: MakeRow) -> None:
    rows = [make_row(f"a:{n}", TITLE, [DRUGS] if n % 2 else []) for n in range(400)]
    sampling = SamplingConfig(repeats=1, disguise=0.3, title_as_description=0.0)
    seen = training_pass(rows, sampling, seed=1)
    for side in (True, False):
        share = sum(row.title != TITLE for row in seen if row.compliant is side) / 200
        assert 0.15 < share < 0.4
    assert all(row.title == TITLE for row in training_pass(rows, replace(sampling, disguise=0.0), seed=1))
