"""Probe first, then tune: how the classifier learns from rows. It neither calibrates nor exports."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from fairstall.model.encoding import Encoder
from fairstall.training.config import TrainingConfig
from fairstall.training.examples import Example, collate, training_examples
from fairstall.training.mining import hard_negatives
from fairstall.training.network import ListingClassifier, WindowedLoss
from fairstall.training.probe import embed_examples, fit_probe, positive_weights
from fairstall.training.progress import Progress, Report
from fairstall.training.rows import Row
from fairstall.training.sampling import training_pass

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True, slots=True)
class Tuned:
    """`rows` were seen in all; `rows_per_s` is the speed of tuning alone; `losses` are (rows seen, training loss)."""

    model: ListingClassifier
    rows: int
    rows_per_s: float
    losses: tuple[tuple[int, float], ...]


def tune(
    model: ListingClassifier, rows: Sequence[Row], encoder: Encoder, config: TrainingConfig, report: Report
) -> Tuned:
    """Fits the head on the frozen encoder, then both, layer by layer slower towards the input.

    LP-FT, Kumar et al. 2022, "Fine-tuning can distort pretrained features"; layer-wise rates as in ULMFiT (Howard and
    Ruder 2018); `kept_of_pretrained` interpolates the encoder back (WiSE-FT, Wortsman et al. 2022). `model` is changed
    in place.
    """
    from transformers import set_seed

    set_seed(config.seed)
    passes = [training_pass(rows, config.sampling, seed=config.seed + number) for number in range(config.tune.passes)]
    examples = training_examples(
        [row for rows_of_pass in passes for row in rows_of_pass], encoder, most_windows=config.windows.training_windows
    )
    first = len(passes[0])
    fit_head(model, examples[:first], config, report, stage="probe")
    if config.tune.encoder_rate == 0:
        return Tuned(model.eval(), len(examples), 0.0, ())
    hard = training_examples(
        hard_negatives(model, rows, encoder, config, report), encoder, most_windows=config.windows.training_windows
    )
    before = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    tuned = _tune(model, examples + hard, config, report)
    if config.tune.kept_of_pretrained:
        _interpolate(model.encoder, before, kept=config.tune.kept_of_pretrained)
    if config.tune.refit_head:
        fit_head(model, examples[:first] + hard, config, report, stage="probe again")
    return tuned


def fit_head(
    model: ListingClassifier, examples: Sequence[Example], config: TrainingConfig, report: Report, *, stage: str
) -> None:
    """Replaces the head by a probe fitted on the encoder as it stands."""
    started = time.perf_counter()

    def embedded(done: int) -> None:
        report(Progress(stage, done, len(examples), done / (time.perf_counter() - started)))

    embeddings = embed_examples(model, examples, bf16=config.tune.bf16, report=embedded)
    labels, trust = _targets(examples)
    fit_probe(embeddings, labels, trust, config.tune).load_into(model.head)


def _targets(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    return torch.tensor([e.labels for e in examples]), torch.tensor([e.trust for e in examples])


def _tune(model: ListingClassifier, examples: list[Example], config: TrainingConfig, report: Report) -> Tuned:
    from transformers import Trainer

    _freeze(model.encoder, layers=config.encoder.frozen_layers)
    labels, trust = _targets(examples)
    balance = positive_weights(labels, trust, largest=config.tune.largest_positive_weight)
    watcher = _watcher(report, rows=len(examples))
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(
            model=WindowedLoss(model, balance),
            args=_arguments(config, Path(scratch)),
            train_dataset=examples_table(examples),
            data_collator=collate_records,
            optimizers=(optimiser(model, config), None),
            callbacks=[watcher],
        )
        trainer.remove_callback(_printer())
        started = time.perf_counter()
        trainer.train()
    speed = len(examples) / (time.perf_counter() - started)
    return Tuned(model.eval(), len(examples), speed, tuple(watcher.losses))


def _arguments(config: TrainingConfig, scratch: Path) -> Any:
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=1,  # the passes differ in rows and dropped fields, so they are laid end to end
        per_device_train_batch_size=config.tune.batch_rows,
        lr_scheduler_type="linear",
        warmup_steps=config.tune.warmup,
        max_grad_norm=1.0,
        bf16=config.tune.bf16,
        use_cpu=True,
        seed=config.seed,
        data_seed=config.seed,
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        save_strategy="no",
        logging_steps=20,
        disable_tqdm=True,
        report_to="none",
    )


def examples_table(examples: Sequence[Example]) -> "datasets.Dataset":
    """Examples as the Trainer takes them, with their cost as `length`."""
    import datasets

    return datasets.Dataset.from_dict(
        {
            "windows": [[list(window) for window in example.windows] for example in examples],
            "labels": [list(example.labels) for example in examples],
            "trust": [list(example.trust) for example in examples],
            "length": [example.cost for example in examples],
        }
    )


def collate_records(records: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """A batch out of records of `examples_table`."""
    return collate([Example(tuple(map(tuple, r["windows"])), tuple(r["labels"]), tuple(r["trust"])) for r in records])


def _freeze(encoder: Any, *, layers: int) -> None:
    """Word vectors always stay: a few thousand rows move the words they contain and no others."""
    for parameter in encoder.embeddings.parameters():
        parameter.requires_grad_(False)
    for layer in encoder.encoder.layer[:layers]:
        for parameter in layer.parameters():
            parameter.requires_grad_(False)


def optimiser(model: ListingClassifier, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW with a rate a layer: the top at `encoder_rate`, each one below at `layer_decay` of the one above."""
    tune, layers = config.tune, list(model.encoder.encoder.layer)
    groups: list[dict[str, Any]] = [{"params": list(model.head.parameters()), "lr": tune.head_rate}]
    for depth, layer in enumerate(reversed(layers)):
        learning = [parameter for parameter in layer.parameters() if parameter.requires_grad]
        if learning:
            groups.append({"params": learning, "lr": tune.encoder_rate * tune.layer_decay**depth})
    return torch.optim.AdamW(groups, weight_decay=tune.weight_decay)


def _interpolate(encoder: nn.Module, before: dict[str, Tensor], *, kept: float) -> None:
    after = encoder.state_dict()
    encoder.load_state_dict(
        {
            name: kept * before[name] + (1 - kept) * value if value.is_floating_point() else value
            for name, value in after.items()
        }
    )


def _printer() -> Any:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback


def _watcher(report: Report, *, rows: int) -> Any:
    from transformers import TrainerCallback

    started = time.perf_counter()
    losses: list[tuple[int, float]] = []

    class Watcher(TrainerCallback):  # type: ignore[misc]
        """Turns the Trainer's log lines into progress."""

        def on_log(self, args: Any, state: Any, *_: Any, logs: dict[str, float] | None = None, **__: Any) -> None:
            done = min(rows, state.global_step * args.train_batch_size)
            loss = (logs or {}).get("loss")
            if loss is not None:
                losses.append((done, float(loss)))
            report(Progress("tune", done, rows, done / (time.perf_counter() - started), loss))

    watcher = Watcher()
    watcher.losses = losses
    return watcher
