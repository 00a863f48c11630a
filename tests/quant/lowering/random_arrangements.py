"""Graphs as people train them, with every operator that the documentation names."""

from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto

from tests.quant.lowering.random_elementwise import Tensor
from tests.quant.lowering.random_moves import MovesMaker

__all__ = ["Grower"]


class Grower(MovesMaker):
    """A graph in the making, front to back."""

    def model(self) -> onnx.ModelProto:
        x = self.first()
        for _ in range(self.pick(0, 1, 1, 2)):
            x = self.block(x)
        if self.chance(0.15):
            return self.net.model(*self.heads(x))
        return self.net.model(self.head(x))

    def heads(self, x: Tensor) -> list[str]:
        """Return several outputs: of one tensor, of an earlier and a later one, and one that something else reads."""
        found = [self.head(x)]
        if self.chance(0.3):
            middle = self.layer(x)
            found.append(middle.name)
            x = self.sign(self.affine(middle))
        elif self.chance(0.3):
            found.append(x.name)
        found.append(self.head(self.block(x) if self.chance(0.5) else x))
        return list(dict.fromkeys(found))

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
        if self.chance(0.06):
            x = self.pool(x, self.pick("MaxPool", "AveragePool"))
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

    def block(self, x: Tensor) -> Tensor:
        """Append something between bits and bits, or integers of few bits."""
        several = ["codes", "codes", "residual", "residual"]
        way = self.pick(*["path"] * 5, *several, "bits", "sums", "stream", "Concat", "pooled", "sides", "averages")
        blocks = {
            "path": self.path,
            "codes": self.codes,
            "residual": self.residual,
            "bits": self.added_bits,
            "sums": self.added_sums,
            "stream": self.stream,
            "Concat": self.concatenated,
            "pooled": self.pooled_bits,
            "sides": self.sides,
            "averages": self.added_averages,
        }
        self.even = way in {"sums", "stream"} and self.chance(0.8)
        if self.chance(0.05):
            x = self.shuffled(x)
        x = blocks[way](x)
        self.even = False
        if self.chance(0.2):
            x = self.moved(x)
        return self.noise(x) if self.chance(0.1) else x

    def shuffled(self, x: Tensor) -> Tensor:
        """Append a channel shuffle."""
        groups = next((each for each in (2, 3) if x.channels % each == 0), 0)
        if not groups or len(x.shape) == 1:
            return x
        name = self.net.reshape(x.name, 1, groups, x.channels // groups, *x.shape[1:])
        name = self.net("Transpose", name, perm=[0, 2, 1, *range(3, len(x.shape) + 2)])
        return replace(x, name=self.net.reshape(name, 1, *x.shape))

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
        """Append an average pool of bits, before a quantizer or the next layer."""
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

    def head(self, x: Tensor) -> str:
        classes = self.pick(1, 2, 2, 3, 3, 4)
        if len(x.shape) > 1 and self.chance(0.25):
            return self.map_head(x, classes)
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

    def map_head(self, x: Tensor, classes: int) -> str:
        """Return scores at every position, or what is chosen of them."""
        x = self.affine(self.layer(x, neurons=classes), bends=0.05)
        name, rank = x.name, len(x.shape) + 1
        if self.chance(0.15):
            name = self.net(self.pick("Sigmoid", "Softmax", "LogSoftmax"), name, **({"axis": 1}))
        end = self.pick("", "", "ArgMax", "ArgMax", "TopK", "positions", "positions", "BipolarQuant", "Transpose")
        if end == "ArgMax":
            return self.net("ArgMax", name, axis=self.pick(1, 1, 1, rank - 1), keepdims=self.pick(0, 1))
        if end == "TopK":
            return self.net("TopK", name, self.net.constant([1], np.int64), axis=1)
        if end == "positions":
            name = self.net.reshape(name, 1, x.shape[0], -1) if rank == 4 else name
            return self.net("ArgMax", name, axis=2, keepdims=self.pick(0, 1))
        if end == "BipolarQuant":
            name, kernel = self.net(end, name, self.pick(1.0, 1.0, 0.5)), [min(2, size) for size in x.shape[1:]]
            return self.net("MaxPool", name, kernel_shape=kernel) if kernel and self.chance(0.5) else name
        return self.net(end, name, perm=[0, *range(2, rank), 1]) if end else name

    def convolutional_head(self, x: Tensor, classes: int) -> Tensor:
        if self.chance(0.5):
            x = self.conv(x, classes, list(x.shape[1:]), {})
        else:
            x = self.layer(x, neurons=classes)
            if len(x.shape) == 1:
                return x
            keep = self.pick(0, 1, 1)
            if self.chance(0.7):
                name, keep = self.net("GlobalAveragePool", x.name), 1
            else:
                name = self.axes("ReduceMean", x.name, *range(2, len(x.shape) + 1), keepdims=keep)
            if not keep:
                return Tensor(name, (x.channels,))
            x = Tensor(name, (x.channels, *[1] * (len(x.shape) - 1)))
        return self.flat(x) if self.chance(0.8) else x
