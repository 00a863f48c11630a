"""Operators that choose, move and repeat channels and pixels, put at random on what goes on in a graph."""

from dataclasses import replace
from typing import Any

import numpy as np

from tests.quant.lowering.random_elementwise import Tensor
from tests.quant.lowering.random_several_bits import SeveralBitsMaker

__all__ = ["MovesMaker"]


class MovesMaker(SeveralBitsMaker):
    """A graph in the making: operators that only move numbers, in the forms of its opset."""

    def moved(self, x: Tensor) -> Tensor:
        """Append one or two such operators, or parts that meet again."""
        if len(x.shape) == 1:
            return self.sliced(x, 0 if self.vector else 1, 0)
        for _ in range(self.pick(1, 1, 2)):
            ways = [self.channels, self.channels, self.parted, self.cropped, self.enlarged, self.turned]
            if len(x.shape) == 3:
                ways += [self.blocks, self.pixels]
            x = self.pick(*ways, self.transposed)(x)
        return x

    def channels(self, x: Tensor) -> Tensor:
        """Append a slice of channels, or a choice of any."""
        if self.chance(0.6):
            return self.sliced(x, 1, 0, step=self.pick(1, 1, 2))
        count = self.pick(*range(1, x.channels + 2))
        taken = self.net.constant(self.rng.integers(0, x.channels, count), np.int64)
        return Tensor(self.net("Gather", x.name, taken, axis=1), (count, *x.shape[1:]))

    def sliced(self, x: Tensor, axis: int, place: int, *, step: int = 1) -> Tensor:
        """Append a slice along an axis of the file, which is a place in the shape."""
        size = x.shape[place]
        start = int(self.rng.integers(0, size))
        end = int(self.rng.integers(start + 1, size + 1))
        if self.opset < 10:
            name, step = self.net("Slice", x.name, starts=[start], ends=[end], axes=[axis]), 1
        else:
            bounds = (start, end) if self.chance(0.7) else (start - size, end if end < size else 2**62)
            given = (self.net.constant([each], np.int64) for each in (*bounds, axis, step))
            name = self.net("Slice", x.name, *given)
        return Tensor(name, (*x.shape[:place], -(-(end - start) // step), *x.shape[place + 1 :]))

    def cropped(self, x: Tensor) -> Tensor:
        for place in range(1, len(x.shape)):
            if x.shape[place] > 2 and self.chance(0.7):
                x = self.sliced(x, place + 1, place, step=self.pick(1, 1, 1, 2))
        return x

    def parted(self, x: Tensor) -> Tensor:
        """Split the channels, put a layer after one part, and concatenate or add them."""
        if x.channels < 2:
            return x
        first = self.pick(*range(1, x.channels)) if self.chance(0.5) else x.channels // 2
        sizes = (first, x.channels - first)
        names = self.net.split(x.name, *sizes)
        left, right = (Tensor(name, (size, *x.shape[1:])) for name, size in zip(names, sizes, strict=True))
        if self.chance(0.5):
            right = self.sign(self.affine(self.same_layer(right)))
        if first == right.channels and self.chance(0.3):
            return self.sign(self.joined("Add", left, right))
        return self.joined("Concat", *(self.pick((left, right), (right, left))))

    def enlarged(self, x: Tensor) -> Tensor:
        """Append nearest upsampling."""
        factors = [self.pick(1, 2, 2, 3) for _ in x.shape[1:]]
        scales = np.array([1, 1, *factors], np.float32)
        if self.opset < 10:
            name = self.net("Upsample", x.name, scales, mode="nearest")
        elif self.opset == 10:
            name = self.net("Resize", x.name, scales, mode="nearest")
        else:
            way = self.pick(("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"), ("half_pixel", "floor"))
            given: dict[str, Any] = {
                "mode": "nearest",
                "coordinate_transformation_mode": way[0],
                "nearest_mode": way[1],
            }
            region = "" if self.opset > 12 else np.zeros(0, np.float32)
            name = self.net("Resize", x.name, region, scales, **given)
        return Tensor(name, (x.channels, *(size * factor for size, factor in zip(x.shape[1:], factors, strict=True))))

    def turned(self, x: Tensor) -> Tensor:
        """Append the image with its last axis turned round, or with rows as columns."""
        if len(x.shape) == 3 and self.chance(0.5):
            channels, height, width = x.shape
            return Tensor(self.net("Transpose", x.name, perm=[0, 1, 3, 2]), (channels, width, height))
        places = self.net.constant(np.arange(x.shape[-1])[::-1], np.int64)
        return replace(x, name=self.net("Gather", x.name, places, axis=len(x.shape)))

    def pixels(self, x: Tensor) -> Tensor:
        """Append channels as pixels."""
        if x.channels % 4:
            return x
        channels, height, width = x.shape
        shape = (channels // 4, 2 * height, 2 * width)
        if self.chance(0.3):
            parts = self.net.reshape(x.name, 1, channels // 4, 2, 2, height, width)
            return Tensor(self.net.reshape(self.net("Transpose", parts, perm=[0, 1, 4, 2, 5, 3]), 1, *shape), shape)
        given = {"mode": self.pick("DCR", "CRD")} if self.opset > 10 else {}
        return Tensor(self.net("DepthToSpace", x.name, blocksize=2, **given), shape)

    def blocks(self, x: Tensor) -> Tensor:
        """Append pixels as channels."""
        channels, height, width = x.shape
        if height % 2 or width % 2:
            return x
        return Tensor(self.net("SpaceToDepth", x.name, blocksize=2), (4 * channels, height // 2, width // 2))

    def transposed(self, x: Tensor) -> Tensor:
        """Append a transposed convolution and a sign."""
        rank, neurons = len(x.shape) - 1, self.pick(1, 2, 3)
        kernel, stride = self.pick((2, 2), (3, 2), (4, 2), (2, 1), (3, 3))
        pad = self.pick(0, 0, 1) if kernel > 2 else 0
        more = self.pick(0, min(1, stride - 1))
        weights = self.net("BipolarQuant", self.rng.choice([-1.0, 1.0], (x.channels, neurons, *[kernel] * rank)), 1.0)
        given = {"strides": [stride] * rank, "pads": [pad] * 2 * rank, "output_padding": [more] * rank}
        name = self.net("ConvTranspose", x.name, weights, **given)
        sizes = ((size - 1) * stride + kernel + more - 2 * pad for size in x.shape[1:])
        return self.sign(self.affine(Tensor(name, (neurons, *sizes))))
