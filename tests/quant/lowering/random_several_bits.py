"""Activations of several bits, and streams that several layers add to, put at random on whatever goes on in a graph."""

from typing import Any

import numpy as np

from tests.quant.lowering.random_elementwise import Tensor
from tests.quant.lowering.random_layers import LayerMaker

__all__ = ["SeveralBitsMaker"]


class SeveralBitsMaker(LayerMaker):
    """A graph in the making: codes of few bits after layers, and residual streams."""

    def codes(self, x: Tensor) -> Tensor:
        """Append a layer and a quantizer of 2 to 4 bits, whose codes go on."""
        x = self.affine(self.layer(x), bends=0.3)
        if self.chance(0.15):
            x = self.pool(x, self.pick("MaxPool", "AveragePool"))
        way = self.pick("grid", "grid", "grid", "steps", "trunc")
        if way == "steps":
            return self.steps(x)
        x = self.grid(x, self.pick(0.5, 0.5, 1.0, 0.1), self.pick(2, 2, 3, 4))
        return self.truncated(x) if way == "trunc" else x

    def grid(self, x: Tensor, step: Any, bits: int, **attributes: Any) -> Tensor:
        """Append a quantizer, mostly signed and without a zero point."""
        given = {"signed": self.pick(1, 1, 1, 0), **attributes}
        return self.quant(x, step, self.pick(*[0.0] * 9, 1.0), float(bits), **given)

    def steps(self, x: Tensor) -> Tensor:
        """Append a MultiThreshold, with thresholds for all channels or for each."""
        rows, count = self.pick(1, x.channels), self.pick(1, 3, 7)
        thresholds = np.sort(self.rng.integers(-8, 9, (rows, count)) / 2, axis=1)
        given = self.pick({}, {"out_scale": 0.5}, {"out_scale": 2.0, "out_bias": -1.0})
        return self.put(x, "MultiThreshold", thresholds, out_dtype=self.pick("UINT3", "INT4"), **given)

    def truncated(self, x: Tensor) -> Tensor:
        """Append a Quant of 6 bits and a Trunc to fewer."""
        step = self.pick(0.25, 0.125)
        x = self.quant(x, step, 0.0, 6.0, signed=1, narrow=0)
        shift = self.pick(1, 2, 3)
        parameters = step, 0.0, 6.0, step * 2.0**shift, 6.0 - shift
        return self.put(x, "Trunc", *parameters, signed=1, rounding_mode=self.pick("FLOOR", "ROUND"))

    def residual(self, x: Tensor) -> Tensor:
        """Append blocks that add to a stream of integers on one grid, mostly; return bits or the stream."""
        step, bits = self.pick(0.25, 0.125, 0.5, 0.1), self.pick(3, 4, 5, 6)
        going = self.grid(self.affine(self.same_layer(x), bends=0.0), step, bits, signed=1)
        for _ in range(self.pick(1, 1, 2)):
            ones = self.put(going, "BipolarQuant", 1.0) if self.chance(0.6) else self.sign(self.affine(going))
            branch = self.affine(self.same_layer(ones), bends=0.1)
            if self.chance(0.9):
                branch = self.grid(branch, step * self.pick(1, 1, 1, 1, 2), bits, signed=1)
            going = self.joined("Add", *self.pick((going, branch), (branch, going)))
            if self.chance(0.5):
                going = self.affine(going, bends=0.8)
            if self.chance(0.8):
                going = self.grid(going, step, bits, signed=1)
        if self.chance(0.2):
            going = self.pool(going, self.pick("AveragePool", "MaxPool"))
        return going if self.chance(0.4) else self.sign(self.affine(going))
