"""XNOR-Net++ with a learned scale for each channel; its scales of rows and columns are not constants of a channel."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quant.methods._layers import BinaryLayer
from quant.methods._method import Method

__all__ = ["XNORPlusPlus"]


@dataclass(frozen=True)
class XNORPlusPlus(Method):
    """Signs of weights with clipped gradients, times a learned scale for each filter that starts at 1."""

    title = "XNOR-Net++, scales of channels"
    source = "Bulat, Tzimiropoulos 2019, arXiv:1909.13863"
    residue = "a learned scale per channel"

    def parameters(self, layer: BinaryLayer) -> dict[str, nn.Parameter]:
        return {"factors": nn.Parameter(torch.ones(layer.neurons))}

    def scale(self, layer: BinaryLayer, values: Tensor) -> Tensor:
        return layer.get_parameter("factors")
