"""Small ONNX models for the tests of lowering, and a slow evaluation of them that shares no code with it.

Numbers are rationals; a square root is rational to 300 digits, and a number nearer to zero than 100 digits is zero.
"""

from collections.abc import Iterator
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dataflow import MatrixVector, Network
from hwsim.reference import evaluate
from quant.lowering import lower

QUANTIZERS = {"BipolarQuant", "Quant", "Sign"}
QONNX = "qonnx.custom_op.general"


class Builder:
    """A model made operator by operator; arrays and numbers among the inputs become float32 initializers.

    Operators are called by their kind: ``net("Add", x, 1.5, name="shift")`` gives the name of the output.
    """

    def __init__(self, shape: tuple[Any, ...], *, opset: int = 20, dtype: int = TensorProto.FLOAT) -> None:
        self.opset = opset
        self.input = "image"
        self._entry = helper.make_tensor_value_info(self.input, dtype, shape)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: Any, dtype: type = np.float32) -> str:
        name = f"const{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def __call__(self, kind: str, *inputs: Any, name: str | None = None, **attributes: Any) -> str:
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        output = f"t{len(self._nodes)}"
        domain = QONNX if kind in {"BipolarQuant", "Quant", "IntQuant"} else ""
        node = helper.make_node(kind, names, [output], name or f"{kind.lower()}_{output}", domain=domain, **attributes)
        self._nodes.append(node)
        return output

    def reshape(self, x: str, *shape: int) -> str:
        return self("Reshape", x, self.constant(shape, np.int64))

    def batch_norm(self, x: str, scale: Any, bias: Any, mean: Any, var: Any, *, name: str | None = None) -> str:
        return self("BatchNormalization", x, scale, bias, mean, var, name=name, epsilon=1e-5)

    def dense(self, x: str, weights: Any, *, name: str | None = None) -> str:
        quantized = self("BipolarQuant", np.asarray(weights, np.float32), 1.0)
        return self("Gemm", x, quantized, name=name, transB=1)

    def conv(self, x: str, weights: Any, *, name: str | None = None, **attributes: Any) -> str:
        quantized = self("BipolarQuant", np.asarray(weights, np.float32), 1.0)
        return self("Conv", x, quantized, name=name, **attributes)

    def pad(self, x: str, sides: tuple[int, int, int, int], value: float, *, name: str | None = None) -> str:
        """Pad an image by (top, left, bottom, right)."""
        top, left, bottom, right = sides
        pads = self.constant([0, 0, top, left, 0, 0, bottom, right], np.int64)
        return self("Pad", x, pads, value, name=name)

    def model(self, output: str, *more: str) -> onnx.ModelProto:
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (output, *more)]
        graph = helper.make_graph(self._nodes, "test", [self._entry], ends, self._constants)
        imports = [helper.make_opsetid("", self.opset), helper.make_opsetid(QONNX, 2)]
        return helper.make_model(graph, opset_imports=imports, producer_name="tests", producer_version="1")


def fractions(values: Any) -> np.ndarray:
    array = np.asarray(values)
    flat = [Fraction(each.item() if hasattr(each, "item") else each) for each in array.ravel()]
    return np.array(flat, object).reshape(array.shape)


def square_root(x: Fraction) -> Fraction:
    return Fraction(isqrt(x.numerator * x.denominator * 10**600), x.denominator * 10**300)


def sign(x: Fraction) -> int:
    return 0 if abs(x) < Fraction(1, 10**100) else 1 if x > 0 else -1


def each(function: Any, *arrays: Any) -> np.ndarray:
    return np.asarray(np.frompyfunc(function, len(arrays), 1)(*arrays), object)


def rounded(x: Fraction) -> int:
    return round(x)  # half to even


class Oracle:
    """The values of all tensors of a model for one frame, or for several where nothing in it says one.

    Attributes
    ----------
    tensors : values by tensor
    codes : codes by the output of a quantizer
    """

    def __init__(self, model: onnx.ModelProto, frame: np.ndarray) -> None:
        self.tensors = {t.name: fractions(numpy_helper.to_array(t)) for t in model.graph.initializer}
        entry = model.graph.input[0]
        shape = [dim.dim_value or 1 for dim in entry.type.tensor_type.shape.dim]
        self.tensors[entry.name] = fractions(frame).reshape(-1, *shape[1:]) if len(shape) > 1 else fractions(frame)
        self.codes: dict[str, np.ndarray] = {}
        for node in model.graph.node:
            self._run(node)
        self.output = self.tensors[model.graph.output[0].name].ravel()

    def _run(self, node: onnx.NodeProto) -> None:
        x = [self.tensors[name] if name else None for name in node.input]
        a = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        if node.op_type in QUANTIZERS:
            code = self._code(node.op_type, x, a)
            self.codes[node.output[0]] = code
            value = {"BipolarQuant": lambda: code * x[1], "Sign": lambda: code}
            self.tensors[node.output[0]] = value.get(node.op_type, lambda: (code - x[2]) * x[1])()
        else:
            self.tensors[node.output[0]] = np.asarray(getattr(self, f"_{node.op_type.lower()}")(x, a), object)

    @staticmethod
    def _code(kind: str, x: list[Any], a: dict[str, Any]) -> np.ndarray:
        if kind == "BipolarQuant":
            return each(lambda v: Fraction(1 if sign(v) >= 0 else -1), x[0])
        if kind == "Sign":
            return each(lambda v: Fraction(sign(v)), x[0])
        scaled, bits, signed, narrow = x[0] / x[1] + x[2], int(x[3].item()), a["signed"], a["narrow"]
        if bits == 1 and signed:
            return each(lambda v: Fraction(1 if sign(v) >= 0 else -1), scaled)
        low = -(1 << (bits - 1)) + narrow if signed else 0
        high = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1 - narrow
        return each(lambda v: Fraction(min(max(rounded(v), low), high)), scaled)

    @staticmethod
    def _gemm(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        left, right = (v.T if a.get(t) else v for v, t in ((x[0], "transA"), (x[1], "transB")))
        product = left.dot(right) * Fraction(a.get("alpha", 1.0))
        return product if len(x) < 3 else product + x[2] * Fraction(a.get("beta", 1.0))

    @staticmethod
    def _starts(size: int, kernel: int, axis: int, a: dict[str, Any], rank: int) -> tuple[list[int], int]:
        """Return where a kernel begins along an axis of an image, and its dilation."""
        stride, dilation = a.get("strides", [1] * rank)[axis], a.get("dilations", [1] * rank)[axis]
        pads = a.get("pads", [0] * 2 * rank)
        before, behind = pads[axis], pads[axis + rank]
        reach, auto = (kernel - 1) * dilation + 1, a.get("auto_pad", b"NOTSET")
        if auto.startswith(b"SAME"):
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            before = total // 2 if auto == b"SAME_UPPER" else total - total // 2
            behind = total - before
        starts = list(range(-before, size + behind - reach + 1, stride))
        if a.get("ceil_mode", 0) and starts[-1] + reach < size + behind and starts[-1] + stride < size:
            starts.append(starts[-1] + stride)
        return starts, dilation

    @staticmethod
    def _taps(x: np.ndarray, a: dict[str, Any], kernel: Any) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
        """Yield where an output pixel is, and the part of the image below the kernel; None is outside."""
        sizes, rank = x.shape[2:], x.ndim - 2
        axes = [Oracle._starts(sizes[axis], kernel[axis], axis, a, rank) for axis in range(rank)]
        for place in np.ndindex(*[len(starts) for starts, _ in axes]):
            patch = np.full((x.shape[1], *kernel), None, object)
            for tap in np.ndindex(*kernel):
                pixel = [starts[p] + t * step for (starts, step), p, t in zip(axes, place, tap, strict=True)]
                if all(0 <= number < size for number, size in zip(pixel, sizes, strict=True)):
                    patch[:, *tap] = x[0, :, *pixel]
            yield place, patch

    @staticmethod
    def _conv(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        def product(weights: np.ndarray, patch: np.ndarray) -> Fraction:
            pairs = zip(weights.ravel(), patch.ravel(), strict=True)
            return sum((w * v for w, v in pairs if v is not None), Fraction(0))

        groups, neurons = a.get("group", 1), len(x[1])
        pixels = {
            place: [
                product(each, patch.reshape(groups, -1)[neuron * groups // neurons]) for neuron, each in enumerate(x[1])
            ]
            for place, patch in Oracle._taps(x[0], a, x[1].shape[2:])
        }
        out = Oracle._image(pixels)
        return out if len(x) < 3 else out + x[2].reshape(-1, *[1] * (out.ndim - 2))

    @staticmethod
    def _maxpool(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        taps = Oracle._taps(x[0], a, a["kernel_shape"])
        return Oracle._image(
            {place: [max(v for v in c.ravel() if v is not None) for c in patch] for place, patch in taps}
        )

    @staticmethod
    def _averagepool(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        def mean(numbers: np.ndarray, place: tuple[int, ...]) -> Fraction:
            inside = [v for v in numbers.ravel() if v is not None]
            return sum(inside, Fraction(0)) / (padded[place] if a.get("count_include_pad", 0) else len(inside))

        # What was padded counts as well, if it is asked for; what `ceil_mode` adds to it does not.
        pads, rank = np.reshape(a.get("pads", [0] * 2 * (x[0].ndim - 2)), (2, -1)), x[0].ndim - 2
        ones = np.pad(np.ones((1, 1, *x[0].shape[2:]), object), [(0, 0), (0, 0), *pads.T], constant_values=1)
        rest = {name: value for name, value in a.items() if name != "pads"}
        padded = {
            place: sum(v is not None for v in patch.ravel())
            for place, patch in Oracle._taps(ones, rest, a["kernel_shape"])
        }
        assert rank == len(a["kernel_shape"])
        taps = Oracle._taps(x[0], a, a["kernel_shape"])
        return Oracle._image({place: [mean(c, place) for c in patch] for place, patch in taps})

    @staticmethod
    def _globalaveragepool(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        return Oracle._averagepool(x, {"kernel_shape": x[0].shape[2:]})

    @staticmethod
    def _globalmaxpool(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        return Oracle._maxpool(x, {"kernel_shape": x[0].shape[2:]})

    @staticmethod
    def _reducemean(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        axes = tuple(int(axis) for axis in (x[1] if len(x) > 1 else a["axes"]))
        sizes = [x[0].shape[axis] for axis in axes]
        return x[0].sum(axis=axes, keepdims=bool(a.get("keepdims", 1))) / Fraction(int(np.prod(sizes)))

    @staticmethod
    def _image(pixels: dict[tuple[int, ...], list[Fraction]]) -> np.ndarray:
        """Join the channels of pixels by (row, column) to (1, channels, height, width), or of one axis less."""
        shape = tuple(last + 1 for last in max(pixels))
        rows = np.array([pixels[place] for place in np.ndindex(shape)], object)
        return rows.T.reshape(1, -1, *shape)

    @staticmethod
    def _pad(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        sides = np.array([int(side) for side in x[1]]).reshape(2, -1).T
        return np.pad(x[0], sides, constant_values=x[2].item())

    @staticmethod
    def _batchnormalization(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        shape = (-1, *[1] * (x[0].ndim - 2))
        scale, bias, mean, var = (v.reshape(shape) for v in x[1:])
        root = each(lambda v: square_root(v + Fraction(a["epsilon"])), var)
        return (x[0] - mean) * scale / root + bias

    @staticmethod
    def _clip(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        given = [*x[1:], None, None][:2]
        ends = zip(given, (a.get("min", -(10**9)), a.get("max", 10**9)), strict=True)
        low, high = (fractions(default) if end is None else end for end, default in ends)
        return each(lambda v, lo, hi: min(max(v, lo), hi), x[0], low, high)

    @staticmethod
    def _prelu(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        return each(lambda v, s: v if v >= 0 else s * v, x[0], x[1])

    @staticmethod
    def _reshape(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        shape = [int(size) for size in x[1]]
        return x[0].reshape([x[0].shape[i] if size == 0 else size for i, size in enumerate(shape)])

    @staticmethod
    def _squeeze(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        return np.squeeze(x[0], tuple(int(axis) for axis in x[1]))

    @staticmethod
    def _unsqueeze(x: list[Any], a: dict[str, Any]) -> np.ndarray:
        return np.expand_dims(x[0], tuple(int(axis) for axis in x[1]))

    _concat = staticmethod(lambda x, a: np.concatenate(x, a["axis"]))
    _matmul = staticmethod(lambda x, a: np.dot(x[0], x[1]))
    _add = staticmethod(lambda x, a: x[0] + x[1])
    _sub = staticmethod(lambda x, a: x[0] - x[1])
    _mul = staticmethod(lambda x, a: x[0] * x[1])
    _div = staticmethod(lambda x, a: x[0] / x[1])
    _neg = staticmethod(lambda x, a: -x[0])
    _abs = staticmethod(lambda x, a: each(abs, x[0]))
    _sum = staticmethod(lambda x, a: sum(x[1:], x[0]))
    _mean = staticmethod(lambda x, a: sum(x[1:], x[0]) / Fraction(len(x)))
    _pow = staticmethod(lambda x, a: each(lambda v, e: v ** int(e), x[0], x[1]))
    _max = staticmethod(lambda x, a: each(max, *x))
    _min = staticmethod(lambda x, a: each(min, *x))
    _relu = staticmethod(lambda x, a: each(lambda v: max(v, Fraction(0)), x[0]))
    _leakyrelu = staticmethod(lambda x, a: each(lambda v: v if v >= 0 else v * Fraction(a["alpha"]), x[0]))
    _hardsigmoid = staticmethod(
        lambda x, a: each(lambda v: min(max(v * Fraction(a["alpha"]) + Fraction(a["beta"]), 0), 1) + Fraction(0), x[0])
    )
    _hardswish = staticmethod(lambda x, a: each(lambda v: v * min(max(v / 6 + Fraction(1, 2), 0), 1), x[0]))
    _floor = staticmethod(lambda x, a: each(lambda v: Fraction(v // 1), x[0]))
    _ceil = staticmethod(lambda x, a: each(lambda v: Fraction(-(-v // 1)), x[0]))
    _round = staticmethod(lambda x, a: each(lambda v: Fraction(rounded(v)), x[0]))
    _identity = staticmethod(lambda x, a: x[0])
    _dropout = staticmethod(lambda x, a: x[0])
    _cast = staticmethod(lambda x, a: x[0])
    _flatten = staticmethod(lambda x, a: x[0].reshape(int(np.prod(x[0].shape[: a.get("axis", 1)])), -1))
    _transpose = staticmethod(lambda x, a: np.transpose(x[0], a["perm"]))


def pixels_as_model(network: Network, frame: np.ndarray) -> np.ndarray:
    """Return a frame in H, W, C order as the model takes it, channels first, as ``pixel / 255``."""
    planes = np.moveaxis(frame.reshape(network.frame_shape), -1, 0)
    return each(lambda v: Fraction(int(v), 255), planes)


def first_highest(logits: np.ndarray) -> int:
    return next(i for i, v in enumerate(logits) if all(sign(v - other) >= 0 for other in logits))


def assert_equal_to_oracle(
    model: onnx.ModelProto, hidden: tuple[str, ...] = (), *, frames: int = 24, seed: int = 0
) -> Network:
    """Lower a model, compare classes, scores and hidden bits with the oracle on random frames; return the network.

    Parameters
    ----------
    hidden : outputs of the hidden layers' quantizers, in order; of their two codes the upper is 1
    """
    network = lower(model, outputs="both")
    layers = [node for node in network.nodes if isinstance(node, MatrixVector)]
    assert len(layers) == len(hidden) + 1
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (frames, *network.inputs[0].stream.shape))
    images[0], images[1] = 0, 255
    values = evaluate(network, images)
    scores = values[network.fifos_out_of(network.scores.node)[0].name]
    for index, image in enumerate(images):
        oracle = Oracle(model, pixels_as_model(network, image))
        for layer, tensor in zip(layers, hidden, strict=False):
            bits = values[network.fifos_out_of(layer.name)[0].name][index]
            codes = oracle.codes[tensor].ravel()
            np.testing.assert_array_equal(bits, codes == 1, f"{layer.name}, frame {index}")
        logits = network.scores.scale * scores[index] + network.scores.bias
        np.testing.assert_allclose(logits, oracle.output.astype(float), rtol=1e-12, atol=1e-12)
        assert values["arg_max -> class"][index].item() == first_highest(oracle.output), f"frame {index}"
    return network
