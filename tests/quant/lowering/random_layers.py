"""Layers, pools and what joins branches, put at random on whatever goes on in a graph."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from tests.quant.lowering.random_elementwise import ElementwiseMaker, Tensor

__all__ = ["LayerMaker"]


class LayerMaker(ElementwiseMaker):
    """A graph in the making: layers, pools, and branches that meet."""

    def weights(self, *shape: int) -> str:
        """Return weights, most often binary ones, of any form; of scale 1 while the graph is `even`."""
        signs = self.rng.choice([-1.0, 1.0], shape)
        per_neuron = self.rng.choice([0.5, 1.0, 1.0, 2.0, -1.0], (shape[0], *[1] * (len(shape) - 1)))
        form = self.pick("bipolar", "bipolar", "bipolar", "stored", "scaled", "quant", "computed", "mean size")
        if self.even:
            return self.net("BipolarQuant", signs, 1.0)
        if form == "bipolar":
            noisy = signs * self.rng.uniform(0.1, 1.0, shape)
            return self.net("BipolarQuant", noisy, self.pick(1.0, 0.5, 0.1, per_neuron))
        if self.chance(0.15):
            return self.integer_weights(shape)
        if form == "quant":
            return self.net("Quant", signs, 0.5, 0.0, 1.0, signed=1, narrow=1, rounding_mode="ROUND")
        if form == "mean size":
            noisy = self.net.constant(signs * self.rng.choice([0.25, 0.5, 1.0], shape))
            axes = tuple(range(1, len(shape)))
            size = self.axes("ReduceMean", self.net("Abs", noisy), *axes, keepdims=1)
            sign = self.net("Where", self.net("Greater", noisy, 0.0), 1.0, -1.0)
            return self.net("Mul", sign, size)
        if form == "computed":
            return self.net("Mul", self.net("Sign", signs), self.pick(0.25, 1.0))
        return self.net.constant(signs * per_neuron if form == "scaled" else signs)

    def integer_weights(self, shape: tuple[int, ...]) -> str:
        """Return weights of 2 to 8 bits, stored or made by a Quant, with a scale for all neurons or for each."""
        bits = self.pick(2, 2, 3, 4, 8)
        most = 2 ** (bits - 1) - 1
        codes = self.rng.integers(-most, most + 1, shape)
        per_neuron = self.rng.choice([0.5, 1.0, 2.0, 0.125], (shape[0], *[1] * (len(shape) - 1)))
        scale = self.pick(0.5, 1.0, 0.1, per_neuron)
        if self.chance(0.5):
            return self.net.constant(codes * self.pick(1.0, 1.0, 0.25, per_neuron))
        noisy = (codes + self.rng.uniform(-0.4, 0.4, shape)) * scale
        return self.net("Quant", noisy, scale, 0.0, float(bits), signed=1, narrow=1, rounding_mode="ROUND")

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
        if given.get("ceil_mode", 0):  # one more, if it begins on the image or before it
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
            if self.chance(0.5):
                return Tensor(self.net("GlobalMaxPool", x.name), (x.channels, *[1] * len(sizes)))
            keep = self.pick(0, 1)
            name = self.axes("ReduceMax", x.name, *range(2, 2 + len(sizes)), keepdims=keep)
            return Tensor(name, (x.channels, *[1] * len(sizes) * keep))
        return Tensor(self.net(kind, x.name, **given), (x.channels, *self.extent(sizes, kernel, given)))

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
