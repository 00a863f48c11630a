"""IR-Net: balanced weights with a power of two as their scale, and an estimator that gets steeper."""

from dataclasses import dataclass

import torch
from torch import Tensor

from quant.methods._layers import BinaryLayer
from quant.methods._method import Clock, Method
from quant.methods._statistics import check_deviation, mean_size, standardized

__all__ = ["IRNet"]


@dataclass(frozen=True)
class IRNet(Method):
    """Signs of ``v = (w - mean) / std`` times ``2**round(log2 mean|v|)``; slopes ``k t (1 - tanh(t x)**2)``.

    Over the training, ``t`` goes from `first` to `last` evenly on a logarithmic scale, and ``k = max(1 / t, 1)``.

    Parameters
    ----------
    first, last : ``t`` at the start and at the end
    """

    title = "IR-Net"
    source = "Qin, Gong et al. 2020, arXiv:1909.10788"
    residue = "a power of two per channel"

    first: float = 1e-3
    last: float = 10.0

    def check(self) -> None:
        self.require("first", self.first > 0, "above 0")
        self.require("last", self.last >= self.first, f"at least first, {self.first}")

    def reset(self, layer: BinaryLayer) -> None:
        check_deviation(layer)

    def latent(self, layer: BinaryLayer) -> Tensor:
        return standardized(layer.weight)

    def scale(self, layer: BinaryLayer, values: Tensor) -> Tensor:
        """The power of two next to the mean size; 1 for equal weights, whose standardized ones are 0."""
        sizes = mean_size(values.detach())
        return torch.exp2(torch.where(sizes > 0, sizes, 1.0).log2().round())

    def weight_slope(self, values: Tensor, clock: Clock) -> Tensor:
        t, k = clock.values["t"], clock.values["k"]
        return k * t * (1 - torch.tanh(t * values) ** 2)

    activation_slope = weight_slope

    def schedule(self, progress: float) -> dict[str, float]:
        t = self.first * (self.last / self.first) ** progress
        return {"t": t, "k": max(1 / t, 1.0)}
