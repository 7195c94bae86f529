"""Token windows in, logits out. What the logits mean is calibration's and decide()'s business."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime

from fairstall.model.bundle import Bundle
from fairstall.model.errors import BundleError

Logits: TypeAlias = npt.NDArray[np.float32]

BATCH_WINDOWS = 4
LENGTH_SPREAD = 0.10  # batches of unequal lengths lose to no batches at all


class Scorer(Protocol):
    """What turns windows of token ids into logits of shape (windows, labels)."""

    def run(self, windows: Sequence[Sequence[int]]) -> Logits: ...


class GraphScorer:
    """One ONNX Runtime session; two single-threaded ones side by side beat one with two threads, but for a lone window.

    Threads of one session spin between the parts of a run, so that none waits to be woken, and rest after it.
    """

    def __init__(self, graph: Path, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # it keeps a plan for each shape, and hardly two batches have the same
        options.log_severity_level = 4  # what goes wrong is raised: no second line of another format beside our log
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(threads > 1)))
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's errors share no base class
            raise BundleError(f"{graph} cannot be run: {error}") from error

    def run(self, windows: Sequence[Sequence[int]]) -> Logits:
        """Logits of shape (len(windows), labels); the windows are padded to the longest."""
        longest = max(len(window) for window in windows)
        ids = np.zeros((len(windows), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = window
            mask[row, : len(window)] = 1
        logits: Logits = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return logits


class OnnxScorer(GraphScorer):
    """The graph of a sealed bundle, proved to take what serving gives and to answer one logit a label."""

    def __init__(self, bundle: Bundle, *, threads: int = 1) -> None:
        super().__init__(bundle.model, threads=threads)
        try:
            logits = self.run([[0, 0]])
        except Exception as error:
            raise BundleError(f"{bundle.model} does not take input_ids and attention_mask: {error}") from error
        if logits.shape != (1, len(bundle.facts.labels)):
            raise BundleError(f"{bundle.model} gives {logits.shape[-1]} logits for {len(bundle.facts.labels)} labels")


def similar_length_batches(lengths: Sequence[int], *, at_most: int = BATCH_WINDOWS) -> list[list[int]]:
    """Indices of `lengths` in batches of at most `at_most`, longest within `LENGTH_SPREAD` of the shortest."""
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        last = batches[-1] if batches else []
        if last and len(last) < at_most and lengths[index] <= lengths[last[0]] * (1 + LENGTH_SPREAD):
            last.append(index)
        else:
            batches.append([index])
    return batches


def run_side_by_side(scorers: Sequence[Scorer], windows: Sequence[Sequence[int]]) -> Logits:
    """Logits of all windows, in their order: batches of similar length, one thread a scorer. `windows` is not empty."""
    batches = similar_length_batches([len(window) for window in windows])
    lanes = [batches[lane :: len(scorers)] for lane in range(len(scorers))]

    def run_lane(scorer: Scorer, lane: list[list[int]]) -> list[tuple[list[int], Logits]]:
        return [(batch, scorer.run([windows[index] for index in batch])) for batch in lane]

    with ThreadPoolExecutor(len(scorers)) as pool:
        done = [pair for lane in pool.map(run_lane, scorers, lanes) for pair in lane]
    logits = np.empty((len(windows), done[0][1].shape[1]), dtype=np.float32)
    for batch, values in done:
        logits[batch] = values
    return logits
