"""The classifier as a torch module: BERT encoder, mean pooling, one linear head. How it learns is in `finetune`."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from fairstall.training.config import EncoderConfig
from fairstall.training.weights import BaseWeights

TINY_VOCABULARY = 2000
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


class ListingClassifier(nn.Module):
    """input_ids, attention_mask (windows, tokens) int64 -> logits (windows, labels) float32."""

    def __init__(self, encoder: Any, labels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.config.hidden_size, labels)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.embed(input_ids, attention_mask)))

    def embed(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Mean of the token vectors, scaled to the length sqrt(hidden size), (windows, hidden)."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        return cast(Tensor, nn.functional.normalize(mean, dim=-1) * mean.shape[-1] ** 0.5)


class WindowedLoss(nn.Module):
    """A ListingClassifier with the loss of listings of several windows, pooled per policy by maximum as in serving."""

    def __init__(self, classifier: ListingClassifier, positive_weight: Tensor) -> None:
        super().__init__()
        self.classifier = classifier
        self.register_buffer("positive_weight", positive_weight, persistent=False)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, listing: Tensor, labels: Tensor, trust: Tensor
    ) -> dict[str, Tensor]:
        """`listing` (windows,) is the row of `labels` (listings, policies) that a window belongs to."""
        logits = self.classifier(input_ids, attention_mask).float()
        pooled = pool_windows(logits, listing, listings=len(labels))
        return {"loss": masked_loss(pooled, labels, trust, cast(Tensor, self.positive_weight)), "logits": pooled}


def pool_windows(logits: Tensor, listing: Tensor, *, listings: int) -> Tensor:
    """The largest logit per listing and policy, (listings, policies)."""
    index = listing.unsqueeze(-1).expand_as(logits)
    lowest = torch.full((listings, logits.shape[1]), float("-inf"), dtype=logits.dtype)
    return lowest.scatter_reduce(0, index, logits, "amax", include_self=True)


def masked_loss(logits: Tensor, labels: Tensor, trust: Tensor, positive_weight: Tensor) -> Tensor:
    """Binary cross-entropy per policy, weighted by trust; an unknown label (trust 0) adds nothing."""
    loss = nn.functional.binary_cross_entropy_with_logits(
        logits, labels, weight=trust, pos_weight=positive_weight, reduction="sum"
    )
    return loss / trust.sum().clamp(min=1e-6) * labels.shape[1]


def new_encoder(config: EncoderConfig, weights: BaseWeights | None) -> Any:
    """A transformers BertModel: pretrained from `weights`, or small and random when the configuration says `tiny`."""
    from transformers import BertConfig, BertModel

    if config.kind == "tiny" or weights is None:
        small = BertConfig(
            vocab_size=TINY_VOCABULARY,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
        )
        return BertModel(small, add_pooling_layer=False)
    with _without_chatter():
        return BertModel.from_pretrained(weights.folder, add_pooling_layer=False, dtype=torch.float32)


@contextmanager
def _without_chatter() -> Iterator[None]:
    """The library reports the pooling layer that is left out on purpose, and a bar for a file of a second."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()


def write_tokenizer(config: EncoderConfig, weights: BaseWeights | None, texts: list[str], path: Path) -> None:
    """`tokenizer.json` without truncation or padding; `tiny` takes its few word pieces from `texts`."""
    from tokenizers import Tokenizer

    tokenizer = (
        _learned(texts) if config.kind == "tiny" or weights is None else Tokenizer.from_file(str(weights.tokenizer))
    )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(path))


def _learned(texts: list[str]) -> Any:
    """Single characters and the most frequent words, ties by the alphabet: the library's own trainer breaks ties anew
    in every process.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    normalizer, splitter = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    words = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    letters = sorted({letter for word in words for letter in word})
    pieces = [*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters)]
    pieces += [word for word, _ in sorted(words.items(), key=lambda item: (-item[1], item[0])) if len(word) > 1]
    vocabulary = {piece: number for number, piece in enumerate(pieces[:TINY_VOCABULARY])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer
