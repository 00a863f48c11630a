"""ReCU: weights that have left the centre for good are brought back."""

from dataclasses import dataclass
from math import e, log

import torch
from torch import Tensor, nn

from quant.methods._estimators import identity, polynomial
from quant.methods._layers import BinaryLayer
from quant.methods._method import Clock, Method
from quant.methods._statistics import centred, check_deviation, per_filter

__all__ = ["ReCU", "by_frame"]


def by_frame(inputs: Tensor) -> Tensor:
    """Return activations divided by the standard deviation of their frame, which changes no sign."""
    return inputs / (inputs.flatten(1).var(1) + 1e-5).sqrt().reshape(-1, *[1] * (inputs.ndim - 1))


@dataclass(frozen=True)
class ReCU(Method):
    """Signs of standardized weights that are clamped at a quantile, times a learned scale for each filter.

    ``v = (w - mean) / (std / (2 sqrt 2))``, clamped to ``-Q`` and ``Q = -mean|v| ln(2 - 2 tau)``, the quantiles of a
    Laplace distribution; the mean is one of the layer. ``tau`` rises exponentially over the training. The gradient
    passes the sign, and stops where a weight is clamped. Activations have the slope of Bi-Real Net, by the standard
    deviation of their frame.

    Parameters
    ----------
    first, last : ``tau`` at the start and at the end, 0.5 to less than 1
    """

    title = "ReCU"
    source = "Xu, Lin et al. 2021, arXiv:2103.12369"
    residue = "a learned scale per channel"

    first: float = 0.85
    last: float = 0.99

    def check(self) -> None:
        self.require("first", 0.5 < self.first < 1, "above 0.5 and less than 1")
        self.require("last", self.first <= self.last < 1, f"at least first, {self.first}, and less than 1")

    def reset(self, layer: BinaryLayer) -> None:
        check_deviation(layer)

    def latent(self, layer: BinaryLayer) -> Tensor:
        values = centred(layer.weight)
        values = values / per_filter(values.flatten(1).std(1) / (2 * 2**0.5), values)
        bound = (values.abs().mean() * layer.shared.clock.values["quantile"]).detach()
        return values.clamp(-bound, bound)

    def weight_slope(self, values: Tensor, clock: Clock) -> Tensor:
        return identity(values)

    def parameters(self, layer: BinaryLayer) -> dict[str, nn.Parameter]:
        return {"factors": nn.Parameter(torch.rand(layer.neurons))}

    def scale(self, layer: BinaryLayer, values: Tensor) -> Tensor:
        return layer.get_parameter("factors")

    def activation(self, inputs: Tensor) -> Tensor:
        return by_frame(inputs)

    def activation_slope(self, values: Tensor, clock: Clock) -> Tensor:
        return polynomial(values)

    def schedule(self, progress: float) -> dict[str, float]:
        tau = self.first + (self.last - self.first) * (e**progress - 1) / (e - 1)
        return {"quantile": -log(2 - 2 * tau)}
