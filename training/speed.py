"""How fast the Trainer's defaults are on the same rows: what the speed of tuning is compared with in every run."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

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
    Trainer does unasked: fp32, random order, every window padded to the longest allowed, nothing frozen.
    """
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

    seen = training_pass(rows, config.sampling, seed=config.seed)[: config.examine.timed_rows]
    examples = training_examples(seen, encoder, most_windows=config.windows.training_windows)
    network = WindowedLoss(ListingClassifier(new_encoder(config.encoder, weights), labels), torch.ones(labels))

    def collate(records: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        return _padded_to(collate_records(records), config.windows.max_tokens)

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
            data_collator=collate,
        )
        trainer.remove_callback(PrinterCallback)
        started = time.perf_counter()
        trainer.train()
    return len(examples) / (time.perf_counter() - started)


def _padded_to(batch: dict[str, Tensor], tokens: int) -> dict[str, Tensor]:
    missing = tokens - batch["input_ids"].shape[1]
    names = ("input_ids", "attention_mask")
    return batch | {name: torch.nn.functional.pad(batch[name], (0, missing)) for name in names}
