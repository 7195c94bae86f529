"""From the fp32 graph to int8, so that a score depends on its own listing alone. The cost is `parity`'s to measure.

Dynamic quantisation takes the scale of activations from the whole batch, so a listing scores differently beside other
listings. Here the scales are fixed once, on training rows. A few channels of BERT's activations are ten times larger
than the rest and would take the whole range, so they are made smaller by a factor that their weights get back
(SmoothQuant, Xiao et al. 2023). Weights: int8, one scale an output channel. Word vectors: int8, one scale a word.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fairstall.model.errors import SetupError
from fairstall.training.examples import Window

Vector = npt.NDArray[np.float32]

AFTER_ACTIVATION = "intermediate_act_fn"
# How far large channels are moved into the weights, 0 to 1: measured, see docs/decisions/0006.
SMOOTHING, SMOOTHING_AFTER_ACTIVATION = 0.8, 0.9
HEADROOM = 1.05  # of the largest activation seen; what is larger still is cut off
SMALLEST = 1e-5


@dataclass(frozen=True, slots=True)
class Range:
    """The least and largest activation of each channel, (channels,)."""

    low: Vector
    high: Vector

    def joined(self, values: Vector) -> "Range":
        """With `values` (tokens, channels) as well."""
        return Range(np.minimum(self.low, values.min(0)), np.maximum(self.high, values.max(0)))


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
    ranges = activation_ranges(exact, sorted({product.input for product in products}), windows)
    rewriting = _Rewriting(products, ranges, _tables(model))
    nodes = [new for node in model.graph.node for new in rewriting.of(node)]
    kept = [one for one in model.graph.initializer if one.name not in rewriting.replaced]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend([*kept, *rewriting.constants])
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def activation_ranges(exact: Path, names: Sequence[str], windows: Sequence[Window]) -> dict[str, Range]:
    """The range of each of the tensors `names` over `windows`, each run alone."""
    import onnx
    import onnxruntime

    model = onnx.load(str(exact))
    model.graph.output.extend(onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in names)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ranges: dict[str, Range] = {}
    for window in windows:
        ids = np.array([window], dtype=np.int64)
        for name, tensor in zip(
            names, session.run(list(names), {"input_ids": ids, "attention_mask": np.ones_like(ids)}), strict=True
        ):
            values = tensor.reshape(-1, tensor.shape[-1])
            ranges[name] = ranges[name].joined(values) if name in ranges else Range(values.min(0), values.max(0))
    return ranges


def smoothing(seen: Range, weights: Sequence[Vector], strength: float) -> Vector:
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

    def __init__(self, products: Sequence[_Product], ranges: Mapping[str, Range], tables: Mapping[str, Vector]) -> None:
        self.constants: list[Any] = []
        self.replaced: set[str] = set()
        self._products = {product.node.name: product for product in products}
        self._ranges = ranges
        self._tables = tables
        self._factors = {
            name: smoothing(ranges[name], [p.weights for p in products if p.input == name], _strength(name))
            for name in ranges
        }
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
        factor, seen = self._factors[name], self._ranges[name]
        high = max(0.0, float((seen.high / factor).max())) * HEADROOM
        low = min(0.0, float((seen.low / factor).min())) * HEADROOM
        scale = np.float32(max(high - low, SMALLEST) / 255)
        zero = np.uint8(np.clip(round(-low / float(scale)), 0, 255))
        yield _node("Mul", name, self._constant(f"{name}_divisor", 1 / factor), to=f"{name}_smooth")
        scales = self._constant(f"{name}_scale", scale), self._constant(f"{name}_zero", zero)
        yield _node("QuantizeLinear", f"{name}_smooth", *scales, to=f"{name}_int8")

    def _multiply(self, product: _Product) -> Iterator[Any]:
        """MatMulInteger with scales that need no look at the data: ONNX Runtime fuses the four into one kernel."""
        name, source = product.node.name, product.input
        weights, scales = _int8(product.weights * self._factors[source][:, None], axis=0)
        self.replaced.add(product.node.input[1])
        stored = self._constant(f"{name}_weights", weights), self._constant(f"{name}_zero", np.zeros_like(weights[0]))
        self._constant(f"{name}_scale", scales)
        yield _node("MatMulInteger", f"{source}_int8", stored[0], f"{source}_zero", stored[1], to=f"{name}_integer")
        yield _node("Cast", f"{name}_integer", to=f"{name}_float", kind=1)
        yield _node("Mul", f"{source}_scale", f"{name}_scale", to=f"{name}_scales")
        yield _node("Mul", f"{name}_float", f"{name}_scales", to=product.node.output[0])

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
    return SMOOTHING_AFTER_ACTIVATION if AFTER_ACTIVATION in name else SMOOTHING


def _int8(values: Vector, *, axis: int) -> tuple[npt.NDArray[np.int8], Vector]:
    """Symmetric int8 with one scale for each slice across `axis`, and the scales."""
    scales = np.maximum(np.abs(values).max(axis=axis, keepdims=True) / 127, SMALLEST / 127).astype(np.float32)
    return np.clip(np.round(values / scales), -127, 127).astype(np.int8), scales.squeeze(axis)


def _node(operator: str, *inputs: str, to: str, kind: int | None = None) -> Any:
    from onnx import helper

    attributes = {} if kind is None else {"to": kind}
    return helper.make_node(operator, list(inputs), [to], name=f"{to}_{operator}", **attributes)
