"""The model that every program beside this one serves: text in, probabilities out, nothing else of Fairstall."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


class ListingModel:
    """One ONNX Runtime session over a bundle's graph, with so many threads."""

    def __init__(self, bundle: Path, *, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(bundle / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        facts = json.loads((bundle / "bundle.json").read_bytes())
        self._tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
        self._tokenizer.enable_truncation(facts["max_tokens"])

    def probabilities(self, title: str, description: str) -> list[float]:
        """One probability a label, not calibrated; what is longer than one window is cut off."""
        ids = np.array([self._tokenizer.encode(title, description).ids], dtype=np.int64)
        logits = self._session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
        probabilities: list[float] = (1 / (1 + np.exp(-logits))).tolist()
        return probabilities
