"""Rows as the token windows that serving would see, and batches of them. It knows no policy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from fairstall.model.encoding import Encoder
from fairstall.model.view import view_listing
from fairstall.training.rows import Row

Window: TypeAlias = tuple[int, ...]
TokenWindows: TypeAlias = tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Example:
    windows: TokenWindows
    labels: tuple[float, ...]
    trust: tuple[float, ...]

    @property
    def cost(self) -> int:
        """Tokens after padding the windows to the longest."""
        return len(self.windows) * max(len(window) for window in self.windows)


def row_windows(row: Row, encoder: Encoder) -> TokenWindows:
    """The windows of a row, exactly as serving cuts them."""
    return encoder.windows(view_listing(row.listing())).ids


def training_examples(rows: Iterable[Row], encoder: Encoder, *, most_windows: int) -> list[Example]:
    """One example a row. Of a long text the first window and the last ones are kept: tags stand at the end."""
    kept: dict[tuple[str, str], TokenWindows] = {}
    examples = []
    for row in rows:
        text = (row.title, row.description)
        if text not in kept:
            kept[text] = _ends(row_windows(row, encoder), most_windows)
        trust = tuple(value * row.weight for value in row.trust)
        examples.append(Example(kept[text], row.labels, trust))
    return examples


def _ends(windows: TokenWindows, most: int) -> TokenWindows:
    return windows if len(windows) <= most else windows[:1] + windows[len(windows) - most + 1 :]


def collate(examples: Sequence[Example]) -> dict[str, Tensor]:
    """Tensors of a batch: all windows of all listings, padded to the longest, and the listing of each window."""
    windows = [window for example in examples for window in example.windows]
    input_ids, attention_mask = padded(windows)
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "listing": torch.tensor([row for row, example in enumerate(examples) for _ in example.windows]),
        "labels": torch.tensor([example.labels for example in examples]),
        "trust": torch.tensor([example.trust for example in examples]),
    }


def padded(windows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """input_ids and attention_mask, both (windows, longest) int64."""
    longest = max(len(window) for window in windows)
    input_ids = torch.zeros((len(windows), longest), dtype=torch.int64)
    attention_mask = torch.zeros_like(input_ids)
    for row, window in enumerate(windows):
        input_ids[row, : len(window)] = torch.tensor(window, dtype=torch.int64)
        attention_mask[row, : len(window)] = 1
    return input_ids, attention_mask
