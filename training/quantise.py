"""From the fp32 graph to int8, so that a score depends on its own listing alone. The cost is `parity`'s to measure.

Dynamic quantisation takes the scale of activations from the whole batch, so a listing scores differently beside other
listings. Here the scales are fixed once, on training rows. A few channels of BERT's activations are ten times larger
than the rest and would take the whole range, so they are made smaller by a factor that their weights get back
(SmoothQuant, Xiao et al. 2023). What stands behind an activation function is the hardest to round and gets a second
byte. Weights: int8, one scale an output channel, rounded so that errors make good for one another (GPTQ, Frantar et al.
2023). Word vectors: int8, one scale a word.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fairstall.model.errors import SetupError
from fairstall.model.scorer import GraphScorer
from fairstall.training.examples import Window

Vector = npt.NDArray[np.float32]

AFTER_ACTIVATION = "intermediate_act_fn"
# How far large channels are moved into the weights, 0 to 1: measured, see docs/decisions/0006.
SMOOTHING, SMOOTHING_AFTER_ACTIVATION = 0.7, 0.5
DAMPING, BLOCK = 0.01, 128  # of GPTQ, as published
HEADROOM = 1.05  # of the largest activation seen; what is larger still is cut off
SMALLEST = 1e-5


@dataclass(frozen=True, slots=True)
class Seen:
    """The least and largest activation of each channel, (channels,), and the sum of products of any two, (channels,
    channels).
    """

    low: Vector
    high: Vector
    products: Vector

    @classmethod
    def of(cls, values: Vector) -> "Seen":
        """`values` (tokens, channels)."""
        return cls(values.min(0), values.max(0), values.T @ values)

    def joined(self, other: "Seen") -> "Seen":
        """Of the tokens of both."""
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return Seen(low, high, self.products + other.products)

    def divided(self, factor: Vector) -> "Seen":
        """Of the same tokens with each channel divided by `factor` (channels,)."""
        return Seen(self.low / factor, self.high / factor, self.products / np.outer(factor, factor))


@dataclass(frozen=True, slots=True)
class _Product:
    """A MatMul by fixed weights."""

    node: Any
    weights: Vector

    @property
    def input(self) -> str:
        return str(self.node.input[0])


def quantise(exact: Path, path: Path, windows: Sequence[Window]) -> None:
    """Writes the int8 graph of `exact` to `path`; `windows` of training rows set the scales of its activations.

    Raises SetupError when there are none.
    """
    import onnx

    if not windows:
        raise SetupError("an int8 graph needs training rows that set its scales: [export] scale_rows must be above 0")
    model = onnx.load(str(exact))
    products = _products(model)
    seen = activations(exact, sorted({product.input for product in products}), windows)
    rewriting = _Rewriting(products, seen, _tables(model))
    nodes = [new for node in model.graph.node for new in rewriting.of(node)]
    kept = [one for one in model.graph.initializer if one.name not in rewriting.replaced]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend([*kept, *rewriting.constants])
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    _centre(model, mean_logits(exact, windows) - mean_logits(path, windows))
    onnx.save(model, str(path))


def mean_logits(graph: Path, windows: Sequence[Window]) -> Vector:
    """(policies,), each window run alone."""
    scorer = GraphScorer(graph)
    return np.asarray(np.mean([scorer.run([window])[0] for window in windows], axis=0), dtype=np.float32)


def _centre(model: Any, shift: Vector) -> None:
    """Adds `shift` (policies,) to the logits: rounding moves them a little to one side."""
    from onnx import numpy_helper

    output = model.graph.output[0].name
    head = next(node for node in model.graph.node if output in node.output)
    bias = next(one for one in model.graph.initializer if one.name == head.input[2])
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + shift, bias.name))


def activations(exact: Path, names: Sequence[str], windows: Sequence[Window]) -> dict[str, Seen]:
    """What the tensors `names` held over `windows`, each run alone."""
    import onnx
    import onnxruntime

    model = onnx.load(str(exact))
    model.graph.output.extend(onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in names)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: dict[str, Seen] = {}
    for window in windows:
        ids = np.array([window], dtype=np.int64)
        for name, tensor in zip(
            names, session.run(list(names), {"input_ids": ids, "attention_mask": np.ones_like(ids)}), strict=True
        ):
            seen = Seen.of(tensor.reshape(-1, tensor.shape[-1]))
            found[name] = found[name].joined(seen) if name in found else seen
    return found


def smoothing(seen: Seen, weights: Sequence[Vector], strength: float) -> Vector:
    """What to divide each channel by, (channels,), geometric mean 1; `weights` (channels, outputs) all read it."""
    activation = np.maximum(np.maximum(-seen.low, seen.high), SMALLEST)
    weight = np.maximum(np.max([np.abs(one).max(1) for one in weights], axis=0), SMALLEST)
    factor = activation**strength / weight ** (1 - strength)
    return np.asarray(factor / np.exp(np.log(factor).mean()), dtype=np.float32)


def _products(model: Any) -> list[_Product]:
    from onnx import numpy_helper

    constants = {one.name: one for one in model.graph.initializer}
    return [
        _Product(node, numpy_helper.to_array(constants[node.input[1]]))
        for node in model.graph.node
        if node.op_type == "MatMul" and node.input[1] in constants  # the head is a Gemm, and its 17 rows stay in fp32
    ]


def _tables(model: Any) -> dict[str, Vector]:
    """Tables of vectors that a Gather looks up."""
    from onnx import numpy_helper

    looked_up = {node.input[0] for node in model.graph.node if node.op_type == "Gather"}
    matrices = (one for one in model.graph.initializer if one.name in looked_up and len(one.dims) == 2)
    return {one.name: numpy_helper.to_array(one) for one in matrices}


class _Rewriting:
    """Node by node; `constants` are the new ones, `replaced` the names of those no longer needed."""

    def __init__(self, products: Sequence[_Product], seen: Mapping[str, Seen], tables: Mapping[str, Vector]) -> None:
        self.constants: list[Any] = []
        self.replaced: set[str] = set()
        self._products = {product.node.name: product for product in products}
        self._tables = tables
        self._factors = {
            name: smoothing(seen[name], [p.weights for p in products if p.input == name], _strength(name))
            for name in seen
        }
        self._seen = {name: seen[name].divided(factor) for name, factor in self._factors.items()}
        self._quantised: set[str] = set()

    def of(self, node: Any) -> Iterator[Any]:
        """What stands in the int8 graph for a node of the fp32 graph."""
        if product := self._products.get(node.name):
            if product.input not in self._quantised:
                self._quantised.add(product.input)
                yield from self._quantise_input(product.input)
            yield from self._multiply(product)
        elif node.op_type == "Gather" and node.input[0] in self._tables:
            yield from self._look_up(node)
        else:
            yield node

    def _quantise_input(self, name: str) -> Iterator[Any]:
        factor, seen = self._factors[name], self._seen[name]
        high = max(0.0, float(seen.high.max())) * HEADROOM
        low = min(0.0, float(seen.low.min())) * HEADROOM
        scale = np.float32(max(high - low, SMALLEST) / 255)
        zero = np.uint8(np.clip(round(-low / float(scale)), 0, 255))
        yield _node("Mul", name, self._constant(f"{name}_divisor", 1 / factor), to=f"{name}_smooth")
        scales = self._constant(f"{name}_scale", scale), self._constant(f"{name}_zero", zero)
        yield _node("QuantizeLinear", f"{name}_smooth", *scales, to=f"{name}_int8")
        if _twice(name):
            fine = (
                self._constant(f"{name}_rest_scale", scale / np.float32(254)),
                self._constant(f"{name}_rest_zero", np.uint8(128)),
            )
            yield _node("DequantizeLinear", f"{name}_int8", *scales, to=f"{name}_coarse")
            yield _node("Sub", f"{name}_smooth", f"{name}_coarse", to=f"{name}_left")
            yield _node("QuantizeLinear", f"{name}_left", *fine, to=f"{name}_rest_int8")

    def _multiply(self, product: _Product) -> Iterator[Any]:
        """MatMulInteger with scales that need no look at the data: ONNX Runtime fuses the four into one kernel."""
        name, source, output = product.node.name, product.input, product.node.output[0]
        weights, scales = rounded(product.weights * self._factors[source][:, None], self._seen[source].products)
        self.replaced.add(product.node.input[1])
        stored = self._constant(f"{name}_weights", weights), self._constant(f"{name}_zero", np.zeros_like(weights[0]))
        self._constant(f"{name}_scale", scales)
        parts = [source, f"{source}_rest"] if _twice(source) else [source]
        for part in parts:
            of = f"{name}_{part}"
            yield _node("MatMulInteger", f"{part}_int8", stored[0], f"{part}_zero", stored[1], to=f"{of}_integer")
            yield _node("Cast", f"{of}_integer", to=f"{of}_float", kind=1)
            yield _node("Mul", f"{part}_scale", f"{name}_scale", to=f"{of}_scales")
            yield _node("Mul", f"{of}_float", f"{of}_scales", to=f"{of}_product" if len(parts) > 1 else output)
        if len(parts) > 1:
            yield _node("Add", *(f"{name}_{part}_product" for part in parts), to=output)

    def _look_up(self, node: Any) -> Iterator[Any]:
        name, table = node.name, node.input[0]
        vectors, scales = _int8(self._tables[table], axis=1)
        self.replaced.add(table)
        stored = self._constant(f"{name}_vectors", vectors), self._constant(f"{name}_scale", scales[:, None])
        yield _node("Gather", stored[0], node.input[1], to=f"{name}_int8")
        yield _node("Gather", stored[1], node.input[1], to=f"{name}_its_scale")
        yield _node("Cast", f"{name}_int8", to=f"{name}_float", kind=1)
        yield _node("Mul", f"{name}_float", f"{name}_its_scale", to=node.output[0])

    def _constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def _strength(name: str) -> float:
    return SMOOTHING_AFTER_ACTIVATION if _twice(name) else SMOOTHING


def _twice(name: str) -> bool:
    """Whether a tensor is worth a second byte: what the first leaves over is rounded once more, 254 times finer."""
    return AFTER_ACTIVATION in name


def rounded(weights: Vector, products: Vector) -> tuple[npt.NDArray[np.int8], Vector]:
    """int8 `weights` (channels, outputs) and their scales, (outputs,), such that what they make of activations with
    these `products` (channels, channels) changes least: the error of a channel is made good by those still to be
    rounded (GPTQ, Frantar et al. 2023, with the channels of largest activations first).
    """
    _, scales = _int8(weights, axis=0)
    order = np.argsort(-np.diag(products), kind="stable")
    damped = products[np.ix_(order, order)].astype(np.float64)
    damped[np.diag_indices_from(damped)] += DAMPING * np.diag(damped).mean() + SMALLEST
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    left, found = weights[order].astype(np.float64), np.zeros(weights.shape, dtype=np.int8)
    for start in range(0, len(order), BLOCK):
        end = min(start + BLOCK, len(order))
        errors = np.zeros((end - start, weights.shape[1]))
        for channel in range(start, end):
            found[order[channel]] = np.clip(np.round(left[channel] / scales), -127, 127)
            errors[channel - start] = (left[channel] - found[order[channel]] * scales) / upper[channel, channel]
            left[channel:end] -= np.outer(upper[channel, channel:end], errors[channel - start])
        left[end:] -= upper[start:end, end:].T @ errors
    return found, scales


def _int8(values: Vector, *, axis: int) -> tuple[npt.NDArray[np.int8], Vector]:
    """Symmetric int8 with one scale for each slice across `axis`, and the scales."""
    scales = np.maximum(np.abs(values).max(axis=axis, keepdims=True) / 127, SMALLEST / 127).astype(np.float32)
    return np.clip(np.round(values / scales), -127, 127).astype(np.int8), scales.squeeze(axis)


def _node(operator: str, *inputs: str, to: str, kind: int | None = None) -> Any:
    from onnx import helper

    attributes = {} if kind is None else {"to": kind}
    return helper.make_node(operator, list(inputs), [to], name=f"{to}_{operator}", **attributes)
