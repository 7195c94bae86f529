"""From the fp32 graph to int8, so that a score depends on its own listing alone. The cost is `parity`'s to measure.

Dynamic quantisation takes the scale of activations from the whole batch, so a listing scores differently beside other
listings. Here the scales are fixed once, on training rows. A few channels of BERT's activations are ten times larger
than the rest and would take the whole range, so they are made smaller by a factor that their weights get back
(SmoothQuant, Xiao et al. 2023). One byte is too coarse for most activations, so those that gain most by it for the work
it takes get a second, which rounds what the first leaves over 254 times finer for the same weights. Weights: int8, one
scale an output channel, rounded so that errors make good for one another (GPTQ, Frantar et al. 2023). Word vectors:
int8, one scale a word.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fairstall.model.errors import SetupError
from fairstall.model.scorer import GraphScorer
from fairstall.training.examples import Window

Vector = npt.NDArray[np.float32]

# Measured, see docs/decisions/0006: the share of multiplications done twice, and how far large channels are moved into
# the weights, 0 to 1, where an activation has one byte and where it has two.
SECOND_BYTES = 0.75
SMOOTHING, SMOOTHING_OF_TWO = 0.8, 0.2
DAMPING, BLOCK = 0.01, 128  # of GPTQ, as published
HEADROOM = 1.05  # of the largest activation seen; what is larger still is cut off
SMALLEST = 1e-5
WORD_TABLE_ROWS = (
    5000  # tables with fewer, such as that of positions, stay in fp32: they are small, and every token reads them
)
COMPARED_WINDOWS = 50  # that say what a second byte is worth
FUSED = "com.microsoft"  # the domain of ONNX Runtime's kernel that multiplies integers, scales and adds the bias in one


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
    """A MatMul of the tensor `input` by fixed weights, to the tensor `output`. `bias` is the constant that is added to
    it there, if one is.
    """

    name: str
    weights: Vector
    input: str
    output: str
    bias: str = ""


def quantise(exact: Path, path: Path, windows: Sequence[Window]) -> None:
    """Writes the int8 graph of `exact` to `path`; `windows` of training rows set the scales of its activations.

    Raises SetupError when there are none.
    """
    import onnx

    if not windows:
        raise SetupError("an int8 graph needs training rows that set its scales: [export] scale_rows must be above 0")
    rewriting = Rewriting(exact, windows)
    compared = windows[:: -(-len(windows) // COMPARED_WINDOWS)]
    model = rewriting.model(worth_a_second_byte(rewriting, exact, path, compared))
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    _centre(model, (logits(exact, windows) - logits(path, windows)).mean(axis=0))
    onnx.save(model, str(path))


def worth_a_second_byte(rewriting: "Rewriting", exact: Path, path: Path, windows: Sequence[Window]) -> set[str]:
    """The activations to round twice: all, but for those whose second byte lessens the error of the logits least for
    the multiplications that it adds, until `SECOND_BYTES` of these are left. `path` is written over.
    """
    import onnx

    wanted = logits(exact, windows)

    def error(twice: Collection[str]) -> float:
        onnx.save(rewriting.model(twice), str(path))
        off = logits(path, windows) - wanted
        return float(((off - off.mean(axis=0)) ** 2).mean())

    work = rewriting.work
    twice, spared = set(work), sum(work.values()) * (1 - SECOND_BYTES)
    least = error(twice)
    gains = {name: (error(twice - {name}) - least) / work[name] for name in work}
    for name in sorted(work, key=gains.__getitem__):
        if work[name] <= spared:
            twice.remove(name)
            spared -= work[name]
    return twice


def logits(graph: Path, windows: Sequence[Window]) -> Vector:
    """(windows, policies), each window run alone."""
    scorer = GraphScorer(graph)
    return np.asarray([scorer.run([window])[0] for window in windows], dtype=np.float32)


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


def _products(model: Any) -> dict[str, _Product]:
    """By name of the node."""
    from onnx import numpy_helper

    constants = {one.name: one for one in model.graph.initializer}
    additions = {name: node for node in model.graph.node if node.op_type == "Add" for name in node.input}
    found = {}
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in constants:  # the head is a Gemm, and its 17 rows stay in fp32
            weights, output = numpy_helper.to_array(constants[node.input[1]]), node.output[0]
            bias = []
            if addition := additions.get(output):
                bias = [name for name in addition.input if name in constants]
                output = addition.output[0] if bias else output
            found[node.name] = _Product(node.name, weights, node.input[0], output, *bias)
    return found


def _word_vectors(model: Any) -> tuple[str, Vector]:
    """Name and rows of the largest table that a Gather looks up; the small ones, such as that of positions, cost little
    in fp32.
    """
    from onnx import numpy_helper

    looked_up = {node.input[0] for node in model.graph.node if node.op_type == "Gather"}
    tables = [one for one in model.graph.initializer if one.name in looked_up and len(one.dims) == 2]
    largest = max(tables, key=lambda one: int(np.prod(one.dims)))
    return largest.name, numpy_helper.to_array(largest)


@dataclass(frozen=True, slots=True)
class _Smooth:
    """What an activation's channels are divided by, what was `seen` of it then, and the int8 weights and scales of the
    products that read it, by name of their node.
    """

    factor: Vector
    seen: Seen
    weights: dict[str, tuple[npt.NDArray[np.int8], Vector]]


class Rewriting:
    """int8 models of one fp32 graph. `work` is the number of weights that each activation is multiplied by."""

    def __init__(self, exact: Path, windows: Sequence[Window]) -> None:
        import onnx

        self._exact = onnx.load(str(exact))
        self._products = _products(self._exact)
        self._word_table, self._word_vectors = _word_vectors(self._exact)
        self.work: dict[str, int] = {}
        for product in self._products.values():
            self.work[product.input] = self.work.get(product.input, 0) + product.weights.size
        self._seen = activations(exact, sorted(self.work), windows)
        self._smooth: dict[tuple[str, bool], _Smooth] = {}
        self._constants: dict[str, Any] = {}

    def model(self, twice: Collection[str]) -> Any:
        """With two bytes for the activations `twice` and one for the others."""
        import onnx

        self._constants = {}
        added = {product.output for product in self._products.values() if product.bias}
        model = onnx.ModelProto()
        model.CopyFrom(self._exact)
        left = (node for node in self._exact.graph.node if node.output[0] not in added)
        nodes = [new for node in left for new in self._of(node, twice)]
        read = {name for node in nodes for name in node.input}
        kept = [one for one in self._exact.graph.initializer if one.name in read]
        del model.graph.node[:], model.graph.initializer[:]
        model.graph.node.extend(nodes)
        model.graph.initializer.extend([*kept, *self._constants.values()])
        model.opset_import.append(onnx.helper.make_opsetid(FUSED, 1))
        return model

    def _of(self, node: Any, twice: Collection[str]) -> Iterator[Any]:
        """What stands in the int8 graph for a node of the fp32 graph."""
        if product := self._products.get(node.name):
            smooth = self._smoothed(product.input, product.input in twice)
            if f"{product.input}_scale" not in self._constants:
                yield from self._quantise_input(product.input, smooth, again=product.input in twice)
            yield from self._multiply(product, smooth, again=product.input in twice)
        elif node.op_type == "Gather" and node.input[0] == self._word_table:
            yield from self._look_up(node)
        else:
            yield node

    def _smoothed(self, name: str, again: bool) -> _Smooth:
        if (name, again) not in self._smooth:
            readers = {key: one.weights for key, one in self._products.items() if one.input == name}
            strength = SMOOTHING_OF_TWO if again else SMOOTHING
            factor = smoothing(self._seen[name], list(readers.values()), strength)
            seen = self._seen[name].divided(factor)
            weights = {key: rounded(one * factor[:, None], seen.products) for key, one in readers.items()}
            self._smooth[name, again] = _Smooth(factor, seen, weights)
        return self._smooth[name, again]

    def _quantise_input(self, name: str, smooth: _Smooth, *, again: bool) -> Iterator[Any]:
        high = max(0.0, float(smooth.seen.high.max())) * HEADROOM
        low = min(0.0, float(smooth.seen.low.min())) * HEADROOM
        scale = np.float32(max(high - low, SMALLEST) / 255)
        zero = np.uint8(np.clip(round(-low / float(scale)), 0, 255))
        yield _node("Mul", name, self._constant(f"{name}_divisor", 1 / smooth.factor), to=f"{name}_smooth")
        coarse = self._constant(f"{name}_scale", scale), self._constant(f"{name}_zero", zero)
        yield _node("QuantizeLinear", f"{name}_smooth", *coarse, to=f"{name}_int8")
        if again:
            rest = f"{name}_rest"
            fine = (
                self._constant(f"{rest}_scale", scale / np.float32(254)),
                self._constant(f"{rest}_zero", np.uint8(128)),
            )
            yield _node("DequantizeLinear", f"{name}_int8", *coarse, to=f"{name}_coarse")
            yield _node("Sub", f"{name}_smooth", f"{name}_coarse", to=rest)
            yield _node("QuantizeLinear", rest, *fine, to=f"{rest}_int8")

    def _multiply(self, product: _Product, smooth: _Smooth, *, again: bool) -> Iterator[Any]:
        name, part = product.name, product.input
        weights, scales = smooth.weights[name]
        stored = self._constant(f"{name}_weights", weights)
        scale, zero = self._constant(f"{name}_scale", scales), self._constant(f"{name}_zero", np.zeros_like(weights[0]))

        def by(part: str, *bias: str, to: str) -> Any:
            inputs = f"{part}_int8", stored, f"{part}_scale", scale, f"{part}_zero", zero, *bias
            return _node("MatMulIntegerToFloat", *inputs, to=to, domain=FUSED)

        bias = [product.bias] if product.bias else []
        if again:
            yield by(part, *bias, to=f"{name}_coarse")
            yield by(f"{part}_rest", to=f"{name}_rest")
            yield _node("Add", f"{name}_coarse", f"{name}_rest", to=product.output)
        else:
            yield by(part, *bias, to=product.output)

    def _look_up(self, node: Any) -> Iterator[Any]:
        name = node.name
        vectors, scales = _int8(self._word_vectors, axis=1)
        stored = self._constant(f"{name}_vectors", vectors), self._constant(f"{name}_scale", scales[:, None])
        yield _node("Gather", stored[0], node.input[1], to=f"{name}_int8")
        yield _node("Gather", stored[1], node.input[1], to=f"{name}_its_scale")
        yield _node("Cast", f"{name}_int8", to=f"{name}_float", kind=1)
        yield _node("Mul", f"{name}_float", f"{name}_its_scale", to=node.output[0])

    def _constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        self._constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name


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


def _node(operator: str, *inputs: str, to: str, domain: str = "", kind: int | None = None) -> Any:
    from onnx import helper

    attributes = {} if kind is None else {"to": kind}
    return helper.make_node(operator, list(inputs), [to], name=f"{to}_{operator}", domain=domain, **attributes)
