"""The gate: a planted regression is refused by the line that names it, an improvement passes, rules are strict."""

from dataclasses import replace

import numpy as np
import pytest

from fairstall.evals.bootstrap import Bootstrap
from fairstall.evals.compare import Contender, compare
from fairstall.evals.gate import ModelFacts, judge, model_facts
from fairstall.evals.gate_rules import AttackRule, GateRules, MacroRule, SpeedRule, load_rules, shipped_rules
from fairstall.evals.scored import ScoredRows
from fairstall.evals.trials import Trials
from fairstall.model.errors import SetupError

POLICIES = frozenset({"prohibited/p0", "prohibited/p1", "prohibited/p2"})
DRIFT = {"max_probability_change": 0.05, "mean_probability_change": 0.004}
FACTS = ModelFacts("champion", POLICIES, blocks=POLICIES, releases=POLICIES, parity=DRIFT)
CANDIDATE = replace(FACTS, version="candidate")


def compared(first, second):
    sides = [scored if scored.outcomes is not None else decided(scored) for scored in (first, second)]
    return compare(Contender("champion", sides[0]), Contender("candidate", sides[1]), bootstrap=Bootstrap(draws=200))


def trials(first, second, *, slowdown=0.0):
    return Trials({"leet": compared(first, second).find("macro", "recall")}, slowdown)


def gate(first, second, *, candidate=CANDIDATE, rules=None, tried=None):
    tried = tried or trials(first, first)
    return judge(compared(first, second), tried, candidate=candidate, champion=FACTS, rules=rules or shipped_rules())


def failing(verdict) -> list[str]:
    return [line.rule for line in verdict.failures]


def shuffled(scored, label: int):
    """As if one policy's labels had been shuffled in training: its scores say nothing."""
    probabilities = scored.probabilities.copy()
    probabilities[:, label] = np.random.default_rng(0).permutation(probabilities[:, label])
    return replace(scored, probabilities=probabilities)


def test_a_planted_improvement_passes_every_rule(synthetic):
    verdict = gate(synthetic(1, rows=1500), synthetic(1, rows=1500, edge=0.7))
    assert verdict.passed, verdict.reason()
    assert verdict.reason() == f"passed all {len(verdict.lines)} rules of the gate"


def test_one_policy_with_shuffled_labels_is_refused_by_its_own_line(synthetic):
    improved = synthetic(2, rows=1500, edge=2.0)
    verdict = gate(synthetic(2, rows=1500), shuffled(improved, 1))
    assert "policy/prohibited.p1.average_precision" in failing(verdict)
    assert not {"policy/prohibited.p0.average_precision", "policy/prohibited.p2.average_precision"} & set(
        failing(verdict)
    )
    assert "policy/prohibited.p1.average_precision: 0." in verdict.reason()


def test_a_candidate_that_is_no_better_is_refused_unless_not_worse_is_enough(synthetic):
    scored = synthetic(3)
    assert failing(gate(scored, scored)) == ["macro.average_precision"]
    lenient = replace(shipped_rules(), macro=MacroRule(require="not_worse", margin=0.01))
    assert gate(scored, scored, rules=lenient).passed
    assert not gate(scored, synthetic(3, edge=-1.0), rules=lenient).passed


def test_worse_calibration_is_refused_by_its_own_line(synthetic):
    improved = synthetic(4, rows=1500, edge=2.0)
    spoiled = replace(improved, probabilities=improved.probabilities**0.25)
    assert failing(gate(synthetic(4, rows=1500), spoiled)) == ["calibration.ece"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"blocks": frozenset({"prohibited/p0"})}, "coverage.block_certificates"),
        ({"releases": frozenset()}, "coverage.release_certificates"),
        ({"policies": POLICIES - {"prohibited/p2"}}, "coverage.policies"),
        ({"parity": {**DRIFT, "max_probability_change": 0.4}}, "bundle.max_probability_change"),
        ({"parity": {"max_probability_change": 0.0}}, "bundle.mean_probability_change"),
    ],
)
def test_what_a_candidate_lacks_is_named(synthetic, change, line):
    verdict = gate(synthetic(5, rows=1500), synthetic(5, rows=1500, edge=0.7), candidate=replace(CANDIDATE, **change))
    assert failing(verdict) == [line]


def test_recall_lost_under_an_attack_is_refused_by_the_line_that_names_it(synthetic):
    plain, improved = synthetic(6, rows=1500), synthetic(6, rows=1500, edge=0.7)
    verdict = gate(plain, improved, tried=trials(plain, synthetic(6, rows=1500, edge=-1.0)))
    assert failing(verdict) == ["attacks.leet.recall"]
    lenient = replace(shipped_rules(), attacks=AttackRule(largest_recall_loss=1.0))
    assert gate(plain, improved, tried=trials(plain, synthetic(6, rows=1500, edge=-1.0)), rules=lenient).passed


def test_a_candidate_that_could_not_be_attacked_is_refused(synthetic):
    plain, improved = synthetic(6, rows=1500), synthetic(6, rows=1500, edge=0.7)
    assert failing(gate(plain, improved, tried=Trials({}, 0.0))) == ["attacks.recall"]


def test_a_slower_candidate_is_refused_by_the_clock(synthetic):
    plain, improved = synthetic(7, rows=1500), synthetic(7, rows=1500, edge=0.7)
    slow = trials(plain, plain, slowdown=0.4)
    assert failing(gate(plain, improved, tried=slow)) == ["speed.slowdown"]
    assert "+40 % time a listing (needed: +25 % at most)" in gate(plain, improved, tried=slow).reason()
    patient = replace(shipped_rules(), speed=SpeedRule(largest_slowdown=0.5))
    assert gate(plain, improved, tried=slow, rules=patient).passed


def test_fewer_decisions_without_a_person_are_refused(synthetic):
    plain, improved = decided(synthetic(8, rows=1500)), decided(synthetic(8, rows=1500, edge=0.7), reviewed=0.2)
    assert failing(gate(plain, improved)) == ["coverage.automation_rate"]


def decided(scored: ScoredRows, reviewed: float = 0.0) -> ScoredRows:
    """Approved, but for a share that goes to review."""
    review = np.random.default_rng(0).random(len(scored)) < reviewed
    return replace(scored, outcomes=np.where(review, "review", "approve"))


def test_lost_certificates_are_listed(synthetic):
    candidate = replace(CANDIDATE, blocks=frozenset({"prohibited/p0"}))
    verdict = gate(synthetic(5, rows=1500), synthetic(5, rows=1500, edge=0.7), candidate=candidate)
    assert "1, without prohibited/p1, prohibited/p2 (needed: 3 at least)" in verdict.reason()


def test_a_bundle_that_does_not_open_is_asked_nothing_else():
    broken = ModelFacts("candidate", problem="model.onnx was altered")
    verdict = judge(None, None, candidate=broken, champion=FACTS, rules=shipped_rules())
    assert failing(verdict) == ["bundle.opens"]
    assert "model.onnx was altered" in verdict.reason()


def test_the_first_deployment_is_judged_by_the_bundle_alone(tiny_bundle):
    facts = model_facts(tiny_bundle)
    verdict = judge(None, None, candidate=facts, champion=None, rules=shipped_rules())
    assert verdict.passed
    assert {line.rule.split(".")[0] for line in verdict.lines} == {"bundle"}
    assert facts.blocks == {"prohibited/drugs"}


def test_shipped_rules_are_the_defaults():
    assert shipped_rules() == GateRules()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[macro]\nrequired = 'better'", "unknown key 'required'"),
        ("[speeds]\nlimit = 1", "unknown key 'speeds'"),
        ("[speed]\nlimit = 1", "unknown key 'limit'"),
        ("[macro]\nrequire = 'equal'", "must be one of better, not_worse"),
        ("[macro]\nmetric = 'accuracy'", "must be one of average_precision"),
        ("[policy]\nlargest_loss = -1", "of 0 or more, not -1"),
        ("[coverage]\nfewer_policies = true", "must be a int of 0 or more, not True"),
        ("macro = 1", "must be a table"),
        ("macro =", "cannot be read as TOML"),
    ],
)
def test_a_wrong_rules_file_is_refused_by_name(tmp_path, text, words):
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(SetupError, match=words):
        load_rules(path)


def test_a_rules_file_changes_what_it_names(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("[policy]\nlargest_loss = 0\n[macro]\nrequire = 'not_worse'\n")
    rules = load_rules(path)
    assert (rules.policy.largest_loss, rules.macro.require, rules.calibration) == (
        0.0,
        "not_worse",
        GateRules().calibration,
    )
