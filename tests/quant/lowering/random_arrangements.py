"""Graphs as people train them, with every operator that the documentation names."""

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from tests.quant.lowering.oracle import Builder

__all__ = ["Grower", "Tensor"]

_newest = onnx.defs.onnx_opset_version()


@dataclass(frozen=True)
class Tensor:
    """A tensor of a graph.

    Parameters
    ----------
    name : its name in the file
    shape : (features,), (channels, length) or (channels, height, width), without the batch
    """

    name: str
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[0]


class Grower:
    """A graph in the making, front to back."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.opset = self.pick(9, 10, 11, 12, 13, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, _newest)
        rank = self.pick(1, 1, 2, 3, 3, 3)
        sizes = [self.pick(1, 2, 3), *(self.pick(3, 4, 5) for _ in range(rank - 1))]
        shape = tuple(sizes) if rank > 1 else (self.pick(2, 3, 4, 5, 6),)
        dtype = self.pick(*[TensorProto.FLOAT] * 8, TensorProto.UINT8, TensorProto.INT8, TensorProto.DOUBLE)
        self.even = False
        self.integers = dtype in {TensorProto.UINT8, TensorProto.INT8}
        self.last = rank == 3 and len(set(shape)) > 1 and self.chance(0.06)
        given = (*shape[1:], shape[0]) if self.last else shape
        batch = () if rank == 1 and self.chance(0.1) else (self.pick(1, 1, 1, "N"),)
        self.net = Builder((*batch, *given), opset=self.opset, dtype=dtype)
        self.vector = not batch
        self.entry = Tensor(self.net.input, shape)

    def pick(self, *values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def model(self) -> onnx.ModelProto:
        x = self.first()
        for _ in range(self.pick(0, 1, 1, 2)):
            x = self.block(x)
        output = self.head(x)
        return self.net.model(output)

    # -- the input ---------------------------------------------------------------------------------------------

    def first(self) -> Tensor:
        """Return bits that a quantizer makes of the input, or the first layer of its integers."""
        x = self.entry
        if self.integers:
            x = self.put(x, "Cast", to=TensorProto.FLOAT)
        if self.last:
            x = replace(x, name=self.net("Transpose", x.name, perm=[0, 3, 1, 2]))
        if self.chance(0.15):
            x = self.noise(x)
        way = self.pick("bits", "bits", "bits", "pixels", "codes", "codes", "thermometer")
        if way == "thermometer":
            return self.thermometer(x)
        if way == "codes":
            x = self.put(x, "Sub", self.pick(0.5, 0.25)) if self.chance(0.5) else x
            x = self.wide(x)
            if self.chance(0.2):
                return self.sign(self.put(x, "Sub", 0.125))
        elif way == "bits":
            middle = 100.0 if self.integers else 0.5
            return self.sign(self.put(x, "Sub", self.number(x, [middle, middle * 0.7, middle * 1.3])))
        else:
            x = self.put(self.put(x, "Mul", self.pick(2.0, 1.0, -1.0)), "Add", self.pick(-1.0, 0.0))
        if self.chance(0.12):
            left, right = self.sign(self.affine(self.same_layer(x))), self.sign(self.affine(self.same_layer(x)))
            return self.joined("Concat", left, right)
        return self.sign(self.affine(self.layer(x, padded=self.chance(0.2))))

    def thermometer(self, x: Tensor) -> Tensor:
        """Return the bits of several quantizers of one input, side by side."""
        step = 60.0 if self.integers else 0.25
        sides = [self.put(x, "Sub", step * (index + 1)) for index in range(self.pick(2, 2, 3))]
        scale = self.pick(1.0, 1.0, 0.5)
        return self.joined("Concat", *(self.put(side, "BipolarQuant", scale) for side in sides))

    def wide(self, x: Tensor) -> Tensor:
        """Return the codes of a quantizer of several bits."""
        bits = float(self.pick(2, 3, 4, 5, 6, 7, 8, 8, 9))
        scale = self.pick(0.0078125, 0.125, 0.1, 1 / 255) * (64 if self.integers else 1)
        return self.quant(x, scale, self.pick(0.0, 0.0, 0.0, 1.0), bits)

    def quant(self, x: Tensor, scale: Any, zero_point: float, bits: float, **attributes: Any) -> Tensor:
        given = {"signed": self.pick(0, 1), "narrow": self.pick(0, 1), "rounding_mode": self.rounding(), **attributes}
        return self.put(x, self.pick("Quant", "Quant", "IntQuant"), scale, zero_point, bits, **given)

    def rounding(self) -> str:
        return self.pick("ROUND", "ROUND", "ROUND", "FLOOR", "CEIL", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "HALF_EVEN")

    # -- one operator ------------------------------------------------------------------------------------------

    def put(self, x: Tensor, kind: str, *parameters: Any, **attributes: Any) -> Tensor:
        """Append an operator that keeps the shape."""
        return replace(x, name=self.net(kind, x.name, *parameters, **attributes))

    def number(self, x: Tensor, values: Any) -> Any:
        """Return one number, or one per channel, in any of the shapes that broadcast."""
        spread = (x.channels, *[1] * (len(x.shape) - 1))
        if self.chance(0.5):
            array = np.array([self.pick(*values) for _ in range(x.channels)]).reshape(spread)
            array = array[None] if self.chance(0.3) and not self.vector else array
        else:
            array = np.full(self.pick((), (), (1,), (1,) * len(spread)), self.pick(*values))
        return self.computed(array) if self.chance(0.1) else array

    def computed(self, values: np.ndarray) -> str:
        """Return a constant that operators compute."""
        net, shape = self.net, self.net.constant(values.shape, np.int64)
        way = self.pick("ones", "Expand", "Concat", "Slice", "Pow", "Cast", "twice", "Gather")
        if way == "ones":
            return net("Sub", net("Add", values, 1.0), net("Add", net("ConstantOfShape", shape), 1.0))
        if way == "Expand":
            return net("Mul", values, net("Expand", net.constant(1.0), shape))
        if way == "Concat":
            return net("Reshape", net("Concat", values.ravel(), axis=0), shape)
        if way == "Slice" and self.opset >= 10:
            parts = (net.constant(each, np.int64) for each in ([1], [2**63 - 1]))
            return net("Reshape", net("Slice", [7.0, *values.ravel()], *parts), shape)
        if way == "Pow":
            return net("Mul", values, net("Pow", 4.0, self.pick(0.5, -0.5)))
        if way == "Cast":
            return net("Cast", net.constant(values, np.float64), to=TensorProto.FLOAT)
        if way == "twice":
            return net("Reciprocal", net("Reciprocal", net("Add", net("Sqrt", np.abs(values)), 0.5)))
        return net("Gather", [values, values * 2], net.constant(1, np.int64), axis=0)

    def weights(self, *shape: int) -> str:
        """Return binary weights of any form, of scale 1 while the graph is `even`."""
        signs = self.rng.choice([-1.0, 1.0], shape)
        per_neuron = self.rng.choice([0.5, 1.0, 1.0, 2.0, -1.0], (shape[0], *[1] * (len(shape) - 1)))
        form = self.pick("bipolar", "bipolar", "bipolar", "stored", "scaled", "quant", "computed")
        if self.even:
            return self.net("BipolarQuant", signs, 1.0)
        if form == "bipolar":
            noisy = signs * self.rng.uniform(0.1, 1.0, shape)
            return self.net("BipolarQuant", noisy, self.pick(1.0, 0.5, 0.1, per_neuron))
        if form == "quant":
            return self.net("Quant", signs, 0.5, 0.0, 1.0, signed=1, narrow=1, rounding_mode="ROUND")
        if form == "computed":
            return self.net("Mul", self.net("Sign", signs), self.pick(0.25, 1.0))
        return self.net.constant(signs * per_neuron if form == "scaled" else signs)

    def sign(self, x: Tensor) -> Tensor:
        """Append a quantizer of one bit."""
        way = self.pick(*["bipolar"] * 8, "signed", "signed", "unsigned", "two codes", "sign")
        scale = self.pick(1.0, 1.0, 1.0, 1.0, 0.5, 0.1, -1.0)
        if way == "bipolar":
            if self.chance(0.1):
                x = self.put(x, self.pick("Tanh", "Erf", "Softsign", "Atan", "Sinh", "Asinh"))
            return self.put(x, "BipolarQuant", scale)
        if way == "sign":
            return self.put(self.put(x, "Add", 0.3125), "Sign")
        if way == "two codes":
            return self.quant(x, scale, 0.0, 2.0, signed=1, narrow=1, rounding_mode="UP")
        return self.quant(x, scale, self.pick(0.0, 0.0, 0.5), 1.0, signed=int(way == "signed"), narrow=0)

    def clip(self, x: Tensor, low: float, high: float) -> Tensor:
        if self.opset < 11:
            return self.put(x, "Clip", min=low, max=high)
        return self.put(x, "Clip", *self.pick((low, high), (low,), ("", high)))

    def affine(self, x: Tensor, *, bends: float = 0.35) -> Tensor:
        """Append elementwise operators of one number, some of which bend."""
        for _ in range(self.pick(0, 1, 1, 2, 3)):
            if self.chance(0.1):
                x = self.noise(x)
            x = self.bent(x) if self.chance(bends) else self.straight(x)
        return x

    def straight(self, x: Tensor) -> Tensor:
        kind = self.pick("Add", "Sub", "Mul", "Div", "Neg", "batch norm", "batch norm", "turned", "Sum", "Mean")
        shifts = [0.0, 0.5, -0.5, 1.0, -1.5, 2.0, 0.1]
        scales = [1.0, 0.5, 2.0, 0.1, 3.0, 1.0, -1.0, -0.25] + [0.0] * self.chance(0.1)
        if kind == "batch norm":
            rows = [[self.pick(*each) for _ in range(x.channels)] for each in (scales, shifts, shifts)]
            spread = [self.pick(1.0, 0.5, 0.25, 2.0, 4.0, 0.99999) for _ in range(x.channels)]
            return self.put(x, "BatchNormalization", *rows, spread, epsilon=self.pick(1e-5, 1e-3, 0.0))
        if kind == "turned":
            return replace(x, name=self.net(self.pick("Sub", "Add"), self.number(x, shifts), x.name))
        if kind == "Neg":
            return self.put(x, kind)
        if kind in {"Sum", "Mean"}:
            return self.put(x, kind, *self.pick((), (x.name,), (self.number(x, shifts),)))
        return self.put(x, kind, self.number(x, scales[:8] if kind == "Div" else scales if kind == "Mul" else shifts))

    def bent(self, x: Tensor) -> Tensor:
        kind = self.pick(
            *("Relu", "LeakyRelu", "PRelu", "Clip", "HardSigmoid", "Min", "Max", "Floor", "Ceil", "Round"),
            *("Abs", "HardSwish", "Pow", "Quant", "twice", "Clip"),
        )
        if kind == "Clip":
            return self.clip(x, self.pick(-1.0, 0.0, -3.0), self.pick(1.0, 6.0))
        if kind == "LeakyRelu":
            return self.put(x, kind, alpha=self.pick(0.01, 0.5, 0.1))
        if kind == "PRelu":
            return self.put(x, kind, self.number(x, [0.25, 0.1, 0.5, 0.0] + [-1.0] * self.chance(0.2)))
        if kind in {"Min", "Max"}:
            return self.put(x, kind, self.number(x, [0.0, 1.0, -1.0]))
        if kind == "HardSwish" and self.opset < 14:
            kind = "HardSigmoid"
        if kind == "Round" and self.opset < 11:
            kind = "Floor"
        if kind == "Pow":
            return self.put(x, kind, self.pick(1.0, 2.0, 3.0))
        if kind == "Quant":
            return self.wide(x)
        if kind == "twice":
            return replace(x, name=self.net("Add", x.name, self.net("Mul", x.name, self.pick(0.5, 2.0))))
        return self.put(x, kind)

    # -- layers, pools, moves ----------------------------------------------------------------------------------

    def layer(self, x: Tensor, *, padded: bool = True, neurons: int | None = None) -> Tensor:
        """Append a layer: a convolution on an image, else a dense one."""
        neurons = neurons or self.pick(1, 2, 3, 4)
        if len(x.shape) == 1 or self.chance(0.1):
            return self.dense(x, neurons)
        sizes = x.shape[1:]
        kernel = [self.pick(*range(1, min(3, size) + 1)) for size in sizes]
        pads = [self.pick(0, 0, 1) if padded and kernel[i % len(sizes)] > 1 else 0 for i in range(2 * len(sizes))]
        given: dict[str, Any] = {"pads": pads, "strides": [self.pick(1, 1, 2) for _ in sizes]}
        if self.chance(0.1):
            given["dilations"] = [2 if 2 * (k - 1) < size else 1 for k, size in zip(kernel, sizes, strict=True)]
        if self.chance(0.06):
            given.pop("pads")
            given["auto_pad"] = self.pick("SAME_UPPER", "SAME_LOWER", "VALID")
        return self.conv(x, neurons, kernel, given)

    def conv(self, x: Tensor, neurons: int, kernel: list[int], given: dict[str, Any]) -> Tensor:
        groups = self.pick(1, 1, 1, x.channels)
        neurons = -(-neurons // groups) * groups
        weights = self.weights(neurons, x.channels // groups, *kernel)
        bias = [self.rng.integers(-2, 3, neurons) / 2] if self.chance(0.2) else []
        name = self.net("Conv", x.name, weights, *bias, group=groups, **given)
        return Tensor(name, (neurons, *self.extent(x.shape[1:], kernel, given)))

    def extent(self, sizes: tuple[int, ...], kernel: list[int], given: dict[str, Any]) -> list[int]:
        """Return the size of what a window makes."""
        rank, auto = len(sizes), given.get("auto_pad", "NOTSET")
        pads, strides = given.get("pads", [0] * 2 * rank), given.get("strides", [1] * rank)
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, given.get("dilations", [1] * rank), strict=True)]
        if auto.startswith("SAME"):
            return [-(-size // stride) for size, stride in zip(sizes, strides, strict=True)]
        room = [size + pads[i] + pads[i + rank] - reach[i] for i, size in enumerate(sizes)]
        counts = [r // s + 1 for r, s in zip(room, strides, strict=True)]
        if given.get("ceil_mode", 0):  # one more, if it begins on the image or in front of it
            more = zip(counts, room, strides, sizes, pads, strict=False)
            counts = [c + (r % s > 0 and c * s < size + pad) for c, r, s, size, pad in more]
        return counts

    def same_layer(self, x: Tensor) -> Tensor:
        """Append a layer that keeps the shape."""
        if len(x.shape) == 1:
            return self.dense(x, x.channels)
        kernel = [self.pick(1, 3) for _ in x.shape[1:]]
        pads = [k // 2 for k in kernel]
        return self.conv(x, x.channels, kernel, {"pads": [*pads, *pads]})

    def dense(self, x: Tensor, neurons: int) -> Tensor:
        x = self.flat(x)
        kind = self.pick("Gemm", "Gemm", "MatMul", "MatMul")
        if self.vector or kind == "MatMul":
            matrix = self.net("Transpose", self.weights(neurons, x.channels), perm=[1, 0])
            name = self.net("MatMul", x.name, matrix)
        else:
            bias = [self.rng.integers(-2, 3, neurons) / 2] if self.chance(0.3) or self.opset < 11 else []
            given = {"alpha": 0.5} if self.chance(0.1) else {}
            name = self.net("Gemm", x.name, self.weights(neurons, x.channels), *bias, transB=1, **given)
        return Tensor(name, (neurons,))

    def flat(self, x: Tensor) -> Tensor:
        if len(x.shape) == 1:
            return x
        size = (prod(x.shape),)
        if self.chance(0.1) and len(x.shape) == 3:
            moved = self.net("Transpose", x.name, perm=[0, *self.pick((2, 3, 1), (1, 3, 2), (3, 2, 1))])
            return Tensor(self.net("Flatten", moved), size)
        way = self.pick("Flatten", "Flatten", "Reshape", "Reshape", "whole", "computed")
        if way == "Flatten":
            return Tensor(self.net("Flatten", x.name), size)
        if way == "computed":
            one = self.net("Gather", self.net("Shape", x.name), self.net.constant(0, np.int64), axis=0)
            parts = self.axes("Unsqueeze", one, 0), self.net.constant([-1], np.int64)
            return Tensor(self.net("Reshape", x.name, self.net("Concat", *parts, axis=0)), size)
        return Tensor(self.net.reshape(x.name, *((1, -1) if way == "Reshape" else (1, *size))), size)

    def pool(self, x: Tensor, kind: str) -> Tensor:
        """Append a pool, if there is an image."""
        if len(x.shape) == 1:
            return x
        sizes = x.shape[1:]
        kernel = [self.pick(*range(1, min(3 if kind == "MaxPool" else 2, size) + 1)) for size in sizes]
        given: dict[str, Any] = {"kernel_shape": kernel, "strides": [self.pick(1, 2) for _ in sizes]}
        if self.chance(0.1):
            given["pads"] = [self.pick(0, kernel[i % len(sizes)] // 2) for i in range(2 * len(sizes))]
        elif self.chance(0.1):
            given["auto_pad"] = self.pick("SAME_UPPER", "SAME_LOWER", "VALID")
        elif self.chance(0.1) and self.opset >= (10 if kind == "MaxPool" else 19):
            given["ceil_mode"] = 1
        if kind == "AveragePool" and self.chance(0.3):
            given["count_include_pad"] = 1
        if kind == "MaxPool" and self.chance(0.06):
            return Tensor(self.net("GlobalMaxPool", x.name), (x.channels, *[1] * len(sizes)))
        return Tensor(self.net(kind, x.name, **given), (x.channels, *self.extent(sizes, kernel, given)))

    def noise(self, x: Tensor) -> Tensor:
        """Append operators that change nothing."""
        way = self.pick("Identity", "Dropout", "Cast", "reshape", "squeeze", "transposed")
        if way == "Cast":
            return self.put(x, "Cast", to=TensorProto.FLOAT)
        if way == "reshape":
            return replace(
                x, name=self.net.reshape(x.name, *(() if self.vector and len(x.shape) == 1 else (1,)), *x.shape)
            )
        if way == "squeeze":
            axes = self.pick(0, 1)
            return replace(x, name=self.axes("Squeeze", self.axes("Unsqueeze", x.name, axes), axes))
        if way == "transposed" and len(x.shape) == 3:
            return replace(
                x, name=self.net("Transpose", self.net("Transpose", x.name, perm=[0, 2, 3, 1]), perm=[0, 3, 1, 2])
            )
        return self.put(x, "Dropout" if way == "Dropout" else "Identity")

    def axes(self, kind: str, name: str, *axes: int, **attributes: Any) -> str:
        """Append an operator with axes, which became an operand one day."""
        since = 18 if kind.startswith("Reduce") else 13
        if self.opset < since:
            return self.net(kind, name, axes=list(axes), **attributes)
        return self.net(kind, name, self.net.constant(axes, np.int64), **attributes)

    # -- blocks ------------------------------------------------------------------------------------------------

    def block(self, x: Tensor) -> Tensor:
        """Append something between bits and bits."""
        way = self.pick(*["path"] * 5, "bits", "sums", "stream", "Concat", "pooled", "sides", "averages")
        blocks = {
            "path": self.path,
            "bits": self.added_bits,
            "sums": self.added_sums,
            "stream": self.stream,
            "Concat": self.concatenated,
            "pooled": self.pooled_bits,
            "sides": self.sides,
            "averages": self.added_averages,
        }
        self.even = way in {"sums", "stream"} and self.chance(0.8)
        x = blocks[way](x)
        self.even = False
        return self.noise(x) if self.chance(0.1) else x

    def path(self, x: Tensor) -> Tensor:
        if self.chance(0.1) and len(x.shape) == 3:
            x = self.padded(x)
            x = self.layer(x, padded=False)
        else:
            x = self.layer(x)
        if self.chance(0.2):
            x = self.pool(x, self.pick("MaxPool", "AveragePool"))
        x = self.sign(self.affine(x))
        return self.pool(x, "MaxPool") if self.chance(0.2) else x

    def padded(self, x: Tensor) -> Tensor:
        value, sides = self.pick(0.0, 1.0, -1.0), (self.pick(0, 1), 0, self.pick(0, 1), 1)
        pads = [0, 0, *sides[:2], 0, 0, *sides[2:]]
        shape = (x.channels, x.shape[1] + sides[0] + sides[2], x.shape[2] + sides[1] + sides[3])
        if self.opset < 11:
            return Tensor(self.net("Pad", x.name, pads=pads, value=value), shape)
        return Tensor(self.net("Pad", x.name, self.net.constant(pads, np.int64), value), shape)

    def joined(self, kind: str, *parts: Tensor) -> Tensor:
        names = [part.name for part in parts]
        if kind != "Concat":
            return replace(parts[0], name=self.net(kind, *names))
        shape = (sum(part.channels for part in parts), *parts[0].shape[1:])
        return Tensor(
            self.net("Concat", *names, axis=0 if self.vector and len(shape) == 1 else self.pick(1, 1, 1, -len(shape))),
            shape,
        )

    def added_bits(self, x: Tensor) -> Tensor:
        left = self.put(self.affine(self.same_layer(x)), "BipolarQuant", 1.0)
        right = (
            x
            if self.chance(0.5)
            else self.put(self.affine(self.same_layer(x)), "BipolarQuant", self.pick(1.0, 1.0, 0.5))
        )
        return self.sign(self.affine(self.joined(self.pick("Add", "Add", "Sum"), left, right)))

    def added_sums(self, x: Tensor) -> Tensor:
        left, right = self.same_layer(x), self.same_layer(x)
        if self.chance(0.4):
            left = self.affine(left, bends=0.1)
        return self.sign(self.affine(self.joined("Add", left, right)))

    def stream(self, x: Tensor) -> Tensor:
        """Append blocks that add their sums to what goes on."""
        going = self.same_layer(x)
        for _ in range(self.pick(1, 2)):
            going = self.joined("Add", going, self.same_layer(self.put(going, "BipolarQuant", 1.0)))
        return self.sign(self.affine(going))

    def concatenated(self, x: Tensor) -> Tensor:
        left = self.sign(self.affine(self.same_layer(x)))
        parts = [left, x if self.chance(0.5) else self.sign(self.affine(self.same_layer(x)))]
        return self.joined("Concat", *(self.rng.permutation(np.array(parts, object)).tolist()))

    def pooled_bits(self, x: Tensor) -> Tensor:
        """Append an average pool of bits, in front of a quantizer or of the next layer."""
        x = self.pool(self.sign(self.affine(self.layer(x))), "AveragePool")
        return self.sign(self.affine(x)) if self.chance(0.6) else x

    def sides(self, x: Tensor) -> Tensor:
        """Append pools of one tensor side by side, which need not be of one size."""
        parts = [self.pool(x, self.pick("MaxPool", "AveragePool")) for _ in range(2)]
        if parts[0].shape != parts[1].shape:
            return self.path(parts[0])
        return self.sign(self.affine(self.joined(self.pick("Add", "Concat"), *parts)))

    def added_averages(self, x: Tensor) -> Tensor:
        left = self.put(self.affine(self.same_layer(x)), "BipolarQuant", 1.0)
        right = self.put(self.affine(self.same_layer(x)), "BipolarQuant", 1.0)
        if len(x.shape) > 1:
            given = {"kernel_shape": [1] * (len(x.shape) - 2) + [min(2, x.shape[-1])]}
            extent = self.extent(x.shape[1:], given["kernel_shape"], {})
            left, right = (
                Tensor(self.net("AveragePool", each.name, **given), (x.channels, *extent)) for each in (left, right)
            )
        return self.sign(self.joined("Add", left, right))

    # -- the end -----------------------------------------------------------------------------------------------

    def head(self, x: Tensor) -> str:
        classes = self.pick(1, 2, 2, 3, 3, 4)
        convolutional = len(x.shape) > 1 and self.chance(0.4)
        x = self.convolutional_head(x, classes) if convolutional else self.dense(x, classes)
        x = self.affine(x, bends=0.05)
        end = self.pick(
            *[""] * 9, "Softmax", "LogSoftmax", "Sigmoid", "Tanh", "ArgMax", "BipolarQuant", "LeakyRelu", "Exp"
        )
        if end == "ArgMax":
            return self.net(end, x.name, axis=-1, keepdims=self.pick(0, 1))
        if end == "BipolarQuant":
            return self.net(end, x.name, 1.0)
        return self.net(end, x.name) if end else x.name

    def convolutional_head(self, x: Tensor, classes: int) -> Tensor:
        if self.chance(0.5):
            x = self.conv(x, classes, list(x.shape[1:]), {})
        else:
            x = self.layer(x, neurons=classes)
            if len(x.shape) == 1:
                return x
            if self.chance(0.7):
                name = self.net("GlobalAveragePool", x.name)
            else:
                name = self.axes("ReduceMean", x.name, *range(2, len(x.shape) + 1), keepdims=1)
            x = Tensor(name, (x.channels, *[1] * (len(x.shape) - 1)))
        return self.flat(x) if self.chance(0.8) else x
