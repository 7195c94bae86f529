"""From the torch classifier to the int8 graph that serves. What was lost on the way is `parity`'s to measure."""

import logging
import warnings
from pathlib import Path

import torch

from fairstall.training.network import ListingClassifier

OPSET = 17
HEAD = "/head/"  # 17 rows of weights: keeping them in fp32 costs 26 kB and spares every score a rounding


def export_int8(model: ListingClassifier, path: Path, scratch: Path) -> None:
    """Writes the int8 graph: input_ids, attention_mask (windows, tokens) int64 -> logits (windows, policies) float32.

    TorchScript exporter, dynamic quantisation, QInt8 per channel: the fastest of those measured. Gather holds the word
    vectors, half of all weights.
    """
    exact = scratch / "exact.onnx"
    export_exact(model, exact)
    _quantise(exact, path)


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


def _quantise(exact: Path, path: Path) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    head = [node.name for node in onnx.load(str(exact), load_external_data=False).graph.node if HEAD in node.name]
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises shape inference on every call, which changes nothing here
    try:
        quantize_dynamic(
            str(exact),
            str(path),
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["MatMul", "Gather"],
            nodes_to_exclude=[*head, *(f"{name}_MatMul" for name in head)],
            extra_options={"MatMulConstBOnly": True},
        )
    finally:
        root.setLevel(level)
