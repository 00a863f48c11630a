"""ReActNet: learned shifts before signs, and a PReLU between two shifts after each layer."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quant.methods._layers import BinaryLayer
from quant.methods._method import Stage
from quant.methods._statistics import mean_size
from quant.methods.bireal import BiReal

__all__ = ["RPReLU", "ReAct"]


class RPReLU(nn.Module):
    """``prelu(x + shift) + rise``, all per channel of the second axis; slopes below 0 count as 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels))
        self.slope = nn.Parameter(torch.full((channels,), 0.25))
        self.rise = nn.Parameter(torch.zeros(channels))

    def forward(self, inputs: Tensor) -> Tensor:
        shift, rise = (each.reshape(-1, *[1] * (inputs.ndim - 2)) for each in (self.shift, self.rise))
        return nn.functional.prelu(inputs + shift, self.slope.clamp_min(0)) + rise


@dataclass(frozen=True)
class ReAct(BiReal):
    """The signs of Bi-Real Net, after a learned shift of activations (RSign); RPReLU after each layer.

    Weights are real in the first stage, and have no decay in the second.

    Parameters
    ----------
    first_share : part of the epochs with real weights; 0 for none
    """

    title = "ReActNet's operators"
    source = "Liu, Shen et al. 2020, arXiv:2003.03488"
    residue = "a scale and a threshold per channel; a PReLU between shifts, where its result is added"
    threshold = True

    first_share: float = 0.5

    def check(self) -> None:
        self.require("first_share", 0 <= self.first_share < 1, "at least 0 and less than 1")

    def scale(self, layer: BinaryLayer, values: Tensor) -> Tensor | None:
        """The mean size of weights, which real weights have themselves."""
        return None if self.is_real(layer) else mean_size(values.detach())

    def after(self, channels: int) -> nn.Module:
        return RPReLU(channels)

    def stages(self) -> tuple[Stage, ...]:
        last = Stage("binary weights", 1 - self.first_share, decay=0.0)
        return (Stage("real weights", self.first_share, weights=False), last) if self.first_share else (last,)
