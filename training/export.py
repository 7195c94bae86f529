"""From the torch classifier to the int8 graph that serves. What was lost on the way is `parity`'s to measure."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from fairstall.training.examples import Window
from fairstall.training.network import ListingClassifier
from fairstall.training.quantise import quantise

OPSET = 17
EXACT_FILE = "exact.onnx"


def export_int8(model: ListingClassifier, path: Path, scratch: Path, windows: Sequence[Window]) -> None:
    """Writes the int8 graph: input_ids, attention_mask (windows, tokens) int64 -> logits (windows, policies) float32.

    `windows` of training rows set the scales of activations. The fp32 graph stays in `scratch` as `EXACT_FILE`.
    """
    export_exact(model, scratch / EXACT_FILE)
    quantise(scratch / EXACT_FILE, path, windows)


def export_exact(model: ListingClassifier, path: Path) -> None:
    """Writes the fp32 graph."""
    attention = model.encoder.config._attn_implementation
    model.eval()
    model.encoder.set_attn_implementation("eager")  # the plain operators are the ones that quantise
    sample = torch.ones((2, 8), dtype=torch.int64)
    windows_and_tokens = {0: "windows", 1: "tokens"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of shapes that the dynamic axes cover; parity is the proof
        torch.onnx.export(
            model,
            (sample, sample),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={
                "input_ids": windows_and_tokens,
                "attention_mask": windows_and_tokens,
                "logits": {0: "windows"},
            },
            opset_version=OPSET,
            dynamo=False,
        )
    model.encoder.set_attn_implementation(attention)
