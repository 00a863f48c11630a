"""BinaryNet: the straight-through estimator, and weights that are clipped."""

from dataclasses import dataclass

import torch
from torch import nn

from quant.methods._layers import BinaryLayer
from quant.methods._method import Method

__all__ = ["BNN"]


@dataclass(frozen=True)
class BNN(Method):
    """Signs of the real-valued weights, which are clipped to [-1, 1] after each step; clipped gradients."""

    title = "BinaryNet"
    source = "Courbariaux, Hubara et al. 2016, arXiv:1602.02830"

    def reset(self, layer: BinaryLayer) -> None:
        """Draw the weights evenly between -1 and +1."""
        nn.init.uniform_(layer.weight, -1.0, 1.0)

    def after_step(self, layer: BinaryLayer) -> None:
        """Clip the weights: beyond 1 they would never get a gradient again."""
        with torch.no_grad():
            layer.weight.clamp_(-1.0, 1.0)
