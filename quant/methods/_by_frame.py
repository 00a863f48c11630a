"""What ReCU and BiPer have in common."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quant.estimators import identity, polynomial
from quant.methods._layers import BinaryLayer
from quant.methods._method import Clock, Method

__all__ = ["ByFrame", "by_frame"]


def by_frame(inputs: Tensor) -> Tensor:
    """Return activations divided by the standard deviation of their frame, which changes no sign; a single one as it
    is.
    """
    if inputs[0].numel() < 2:
        return inputs
    return inputs / (inputs.flatten(1).var(1) + 1e-5).sqrt().reshape(-1, *[1] * (inputs.ndim - 1))


@dataclass(frozen=True)
class ByFrame(Method):
    """The gradient passes signs of weights; a learned scale for each filter, drawn from 0 to 1 at first.

    Activations have the slope of Bi-Real Net, in training by the standard deviation of their frame.
    """

    residue = "a learned scale per channel"

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
