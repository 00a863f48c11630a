"""E2FIF: no scales, and a leaky ReLU whose slope is a power of two."""

from dataclasses import dataclass

from torch import Tensor, nn

from quant.estimators import identity, polynomial
from quant.methods._method import Clock, Method

__all__ = ["E2FIF"]


@dataclass(frozen=True)
class E2FIF(Method):
    """Signs of weights with the gradient of the result; the slope of Bi-Real Net for activations; a leaky ReLU after
    each layer.

    Its other half is a shortcut around every layer, so that real numbers flow from end to end, which residual
    networks have.

    Parameters
    ----------
    slope : of the leaky ReLU for numbers below 0; the paper has 0.1, which is no power of two
    """

    title = "E2FIF"
    source = "Song, Lang et al. 2022, arXiv:2207.06893"
    residue = "a leaky ReLU, where its result is added"

    slope: float = 0.125

    def check(self) -> None:
        self.require("slope", 0 <= self.slope <= 1, "from 0 to 1")

    def weight_slope(self, values: Tensor, clock: Clock) -> Tensor:
        return identity(values)

    def activation_slope(self, values: Tensor, clock: Clock) -> Tensor:
        return polynomial(values)

    def after(self, channels: int) -> nn.Module:
        return nn.LeakyReLU(self.slope)
