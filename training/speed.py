"""How fast the Trainer's defaults are on the same rows: what the speed of tuning is compared with in every run."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from fairstall.model.encoding import Encoder
from fairstall.training.config import TrainingConfig
from fairstall.training.examples import training_examples
from fairstall.training.finetune import collate_records, examples_table
from fairstall.training.network import ListingClassifier, WindowedLoss, new_encoder
from fairstall.training.rows import Row
from fairstall.training.sampling import training_pass
from fairstall.training.weights import BaseWeights


def default_rows_per_s(
    rows: Sequence[Row], labels: int, encoder: Encoder, config: TrainingConfig, weights: BaseWeights | None
) -> float:
    """Rows a second of the first `config.examine.timed_rows` rows of the same pass, windows and batch size, with what
    Trainer does unasked: fp32, random order, windows padded to the longest of their batch, nothing frozen. The first
    batch is not timed.
    """
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

    seen = training_pass(rows, config.sampling, seed=config.seed)[: config.examine.timed_rows]
    examples = training_examples(seen, encoder, most_windows=config.windows.training_windows)
    network = WindowedLoss(ListingClassifier(new_encoder(config.encoder, weights), labels), torch.ones(labels))

    watch = _stopwatch()
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(
            model=network,
            args=TrainingArguments(
                output_dir=str(Path(scratch)),
                num_train_epochs=1,
                per_device_train_batch_size=config.tune.batch_rows,
                use_cpu=True,
                remove_unused_columns=False,  # the windows are cut already; Trainer knows nothing of them
                dataloader_pin_memory=False,
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                report_to="none",
            ),
            train_dataset=examples_table(examples),
            data_collator=collate_records,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(watch)
        trainer.train()
    return float(watch.rows_per_s(len(examples), config.tune.batch_rows))


def _stopwatch() -> Any:
    from transformers import TrainerCallback

    class Stopwatch(TrainerCallback):  # type: ignore[misc]
        """Times every batch but the first."""

        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ends.append(time.perf_counter())

        def rows_per_s(self, rows: int, batch_rows: int) -> float:
            if len(self.ends) < 2:
                return 0.0
            return (rows - batch_rows) / (self.ends[-1] - self.ends[0])

    return Stopwatch()
