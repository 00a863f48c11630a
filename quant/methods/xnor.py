"""XNOR-Net without the scale of activations, which depends on the image and so is not a constant of hardware."""

from dataclasses import dataclass

from torch import Tensor

from quant.estimators import clipped, signs
from quant.methods._layers import BinaryLayer
from quant.methods._method import Clock, Method
from quant.methods._statistics import above_zero, centred, mean_size, per_filter

__all__ = ["XNOR"]


@dataclass(frozen=True)
class XNOR(Method):
    """``mean|w| sign(w)`` for each filter, both with a clipped gradient.

    Parameters
    ----------
    centred : whether the mean of a filter is subtracted first
    full_gradient : whether the gradient passes the scale as well: ``g mean|w| 1[|w| <= 1] + sign(w) / n sum(g
        sign(w))``; otherwise it is that of the scaled weight, clipped
    """

    title = "XNOR-Net, without the scale of activations"
    source = "Rastegari, Ordonez et al. 2016, arXiv:1603.05279"
    residue = "a scale per channel"

    centred: bool = False
    full_gradient: bool = False

    def latent(self, layer: BinaryLayer) -> Tensor:
        return centred(layer.weight) if self.centred else layer.weight

    def weight_slope(self, values: Tensor, clock: Clock) -> Tensor:
        if self.full_gradient:
            return clipped(values)
        return clipped(values) / per_filter(above_zero(mean_size(values)), values)

    def scale(self, layer: BinaryLayer, values: Tensor) -> Tensor:
        if self.full_gradient:  # the gradient of |w| is sign(w), where torch's is 0 at 0
            return (values * signs(values.detach())).flatten(1).mean(1)
        return mean_size(values.detach())
