"""Operators of one number, put at random on whatever goes on in a graph."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from tests.quant.lowering.oracle import Builder

__all__ = ["ElementwiseMaker", "Tensor"]

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


class ElementwiseMaker:
    """A graph in the making: its builder, and operators of one number."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.opset = self.pick(9, 10, 11, 12, 13, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, _newest)
        rank = self.pick(1, 1, 2, 3, 3, 3)
        sizes = [self.pick(1, 2, 3), *(self.pick(3, 4, 5) for _ in range(rank - 1))]
        shape = tuple(sizes) if rank > 1 else (self.pick(2, 3, 4, 5, 6),)
        integers = TensorProto.UINT8, TensorProto.INT8, self.pick(TensorProto.UINT16, TensorProto.INT16)
        dtype = self.pick(*[TensorProto.FLOAT] * 20, *integers, *integers[:2], TensorProto.DOUBLE)
        self.even = False
        self.integers = dtype in integers
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
        way = self.pick("ones", "Expand", "Concat", "Slice", "Pow", "Cast", "twice", "Gather", "Where", "reduced")
        if way == "Where":
            return net("Where", net("Greater", values, 0.25), values, net("Mul", values, 1.0))
        if way == "reduced":
            kind, values = self.pick("ReduceMean", "ReduceMax", "ReduceMin"), np.asarray(values, np.float64)
            return self.axes(kind, net.constant(np.stack([values, values, values])), 0, keepdims=0)
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

    def sign(self, x: Tensor) -> Tensor:
        """Append a quantizer of one bit, some with what a straight-through estimator leaves."""
        bits = self.one_bit(x)
        if not self.chance(0.06):
            return bits
        curve = self.clip(x, -1.0, 1.0).name if self.chance(0.5) else x.name
        return self.put(self.put(bits, "Sub", curve), "Add", curve)

    def one_bit(self, x: Tensor) -> Tensor:
        """Append one of the forms of a quantizer of one bit."""
        way = self.pick(*["bipolar"] * 8, "signed", "signed", "unsigned", "two codes", "sign", "compared", "sigmoid")
        scale = self.pick(1.0, 1.0, 1.0, 1.0, 0.5, 0.1, -1.0)
        if way == "bipolar":
            if self.chance(0.1):
                x = self.put(x, self.pick("Tanh", "Erf", "Softsign", "Atan", "Sinh", "Asinh"))
            return self.put(x, "BipolarQuant", scale)
        if way in {"compared", "sigmoid"}:
            return self.compared(x, way == "sigmoid")
        if way == "sign":
            return self.put(self.put(x, "Add", 0.3125), "Sign")
        if way == "two codes":
            return self.quant(x, scale, 0.0, 2.0, signed=1, narrow=1, rounding_mode="UP")
        return self.quant(x, scale, self.pick(0.0, 0.0, 0.5), 1.0, signed=int(way == "signed"), narrow=0)

    def compared(self, x: Tensor, sigmoid: bool) -> Tensor:
        """Append a comparison with a constant, or a Sigmoid and a comparison with 1/2."""
        if sigmoid:
            x = self.put(x, "Sigmoid")
            if self.chance(0.5):
                return self.put(self.put(x, "Sub", 0.5), "BipolarQuant", 1.0)
        kind = self.pick("Greater", "Less") if self.opset < 12 or self.chance(0.3) else "GreaterOrEqual"
        number = np.array(0.5) if sigmoid else self.number(x, [0.0, 0.5, -1.0, 1.0])
        if self.chance(0.2) and not sigmoid:
            x = replace(x, name=self.net(kind, number, x.name))
        else:
            x = self.put(x, kind, number)
        if self.chance(0.1):
            x = self.put(x, "Not")
        if self.chance(0.3):
            scale = self.number(x, [1.0, 1.0, 0.5, -1.0])
            return self.put(x, "Where", scale, self.net("Neg", scale))
        return self.put(x, "Cast", to=TensorProto.FLOAT)

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
