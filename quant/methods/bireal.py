"""Bi-Real Net: a polynomial instead of the hard tanh, and scales of filters."""

from dataclasses import dataclass

from torch import Tensor

from quant.estimators import clipped, polynomial
from quant.methods._layers import BinaryLayer
from quant.methods._method import Clock, Method
from quant.methods._statistics import above_zero, mean_size, per_filter

__all__ = ["BiReal"]


@dataclass(frozen=True)
class BiReal(Method):
    """``mean|w| sign(w)``, whose gradient is clipped; signs of activations with the slope ``max(0, 2 - 2|a|)``.

    Its other half is one shortcut for each convolution, which residual networks have (`quant.models.residual`).
    """

    title = "Bi-Real Net"
    source = "Liu, Wu et al. 2018, arXiv:1808.00278"
    residue = "a scale per channel"

    def weight_slope(self, values: Tensor, clock: Clock) -> Tensor:
        """The gradient of a weight is that of the scaled one, clipped."""
        return clipped(values) / per_filter(above_zero(mean_size(values)), values)

    def scale(self, layer: BinaryLayer, values: Tensor) -> Tensor | None:
        return mean_size(values.detach())

    def activation_slope(self, values: Tensor, clock: Clock) -> Tensor:
        return polynomial(values)
