"""DoReFa-Net with one bit for weights and one for activations."""

from dataclasses import dataclass

from torch import Tensor

from quant.estimators import identity
from quant.methods._layers import BinaryLayer
from quant.methods._method import Clock, Method
from quant.methods._statistics import above_zero

__all__ = ["DoReFa"]


@dataclass(frozen=True)
class DoReFa(Method):
    """``mean|w| sign(w)`` with one mean for a layer; activations 0 and 1, ``a >= 1/2``, with a gradient within [0,
    1].

    DoReFa-Net rounds 1/2 to 0; here it is 1, as sign(0) is +1 everywhere.
    """

    title = "DoReFa-Net, 1-bit weights and activations"
    source = "Zhou, Wu et al. 2016, arXiv:1606.06160"
    residue = "a scale per layer; activations 0 and 1"

    offset = 0.5
    levels = (0.0, 1.0)

    def weight_slope(self, values: Tensor, clock: Clock) -> Tensor:
        """The gradient of a weight is that of the scaled one."""
        return identity(values) / above_zero(values.abs().mean())

    def scale(self, layer: BinaryLayer, values: Tensor) -> Tensor:
        return values.detach().abs().mean().expand(layer.neurons)

    def activation_slope(self, values: Tensor, clock: Clock) -> Tensor:
        """The gradient of the result, 0 or 1, where ``0 <= a <= 1``; signs have half of it."""
        return 2 * (values.abs() <= 0.5).to(values.dtype)
