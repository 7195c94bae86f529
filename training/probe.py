"""A linear probe on the frozen encoder: where tuning starts from. It moves no encoder weight."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fairstall.training.config import TuneConfig
from fairstall.training.examples import Example, collate
from fairstall.training.network import ListingClassifier, masked_loss

EMBED_LISTINGS = 32


@dataclass(frozen=True, slots=True)
class Probe:
    """`weight` (policies, hidden) and `bias` (policies,) of a linear layer."""

    weight: Tensor
    bias: Tensor

    def load_into(self, head: nn.Linear) -> None:
        with torch.no_grad():
            head.weight.copy_(self.weight)
            head.bias.copy_(self.bias)


def embed_examples(
    model: ListingClassifier, examples: Sequence[Example], *, bf16: bool, report: Callable[[int], None] = lambda _: None
) -> Tensor:
    """The embedding of each example's first window, (examples, hidden) float32."""
    model.eval()
    embeddings = torch.empty((len(examples), model.head.in_features))
    order = sorted(range(len(examples)), key=lambda index: len(examples[index].windows[0]))
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        for start in range(0, len(order), EMBED_LISTINGS):
            indices = order[start : start + EMBED_LISTINGS]
            first = [Example(examples[i].windows[:1], examples[i].labels, examples[i].trust) for i in indices]
            batch = collate(first)
            embeddings[indices] = model.embed(batch["input_ids"], batch["attention_mask"]).float()
            report(start + len(indices))
    return embeddings


def positive_weights(labels: Tensor, trust: Tensor, *, largest: float) -> Tensor:
    """Per policy the square root of trusted negatives over trusted positives, between 1 and `largest`."""
    positives = (labels * trust).sum(0)
    negatives = ((1 - labels) * trust).sum(0)
    return (negatives / positives.clamp(min=1e-6)).sqrt().clamp(1.0, largest)


def fit_probe(embeddings: Tensor, labels: Tensor, trust: Tensor, config: TuneConfig) -> Probe:
    """Logistic regression of all policies at once, masked and weighted as in tuning, with L2, by L-BFGS."""
    embeddings = embeddings.clone()  # inference tensors take part in no gradient
    weight = torch.zeros((labels.shape[1], embeddings.shape[1]), requires_grad=True)
    bias = torch.zeros(labels.shape[1], requires_grad=True)
    balance = positive_weights(labels, trust, largest=config.largest_positive_weight)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=config.probe_steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = masked_loss(embeddings @ weight.T + bias, labels, trust, balance)
        loss = loss + config.probe_l2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return Probe(weight.detach(), bias.detach())
