"""NAM: a gate for each number by its channel's normalization (normalization-based attention)."""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quant.methods._channels import ChannelNorm
from quant.methods._statistics import above_zero
from quant.methods.react import ReAct, RPReLU

__all__ = ["NAM", "Attention", "Gate"]


class Gate(nn.Module):
    """``x clip(slope normalized + 1/2, 0, 1)``, all per channel of the second axis."""

    slope: Tensor

    def __init__(self, norm: nn.Module, slope: Tensor) -> None:
        super().__init__()
        self.norm = norm
        self.register_buffer("slope", slope)

    def forward(self, inputs: Tensor) -> Tensor:
        slope = self.slope.reshape(-1, *[1] * (inputs.ndim - 2))
        return inputs * torch.clamp(self.norm(inputs) * slope + 0.5, 0, 1)


class Attention(nn.Module):
    """``x clip(share n / 4 + 1/2, 0, 1)`` with x normalized to n, and the share of a channel in the sizes of all scales
    of that normalization.

    The paper's gate is a sigmoid, of which this is the tangent at 0, where it differs by less than the third power of
    ``share n`` over 48: ``share`` is about 1 over the number of channels. At inference it is a function of one number
    for each channel (`Gate`), and its value on a grid is a fraction that can be computed exactly.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)

    def slope(self) -> Tensor:
        """Return a quarter of the shares, (channels,)."""
        sizes = self.norm.weight.abs()
        return sizes / above_zero(sizes.sum()) / 4

    def forward(self, inputs: Tensor) -> Tensor:
        slope = self.slope().reshape(-1, *[1] * (inputs.ndim - 2))
        return inputs * torch.clamp(self.norm(inputs) * slope + 0.5, 0, 1)

    def at_inference(self) -> nn.Module:
        return Gate(self.norm, self.slope().detach())


@dataclass(frozen=True)
class NAM(ReAct):
    """ReActNet's operators, and after each RPReLU the normalization-based attention that Sun, Zou et al. use, with a
    gate of straight lines.

    Their other ingredients, Ghost modules and a loss of labels, are not part of it. The place of the attention is our
    choice.
    """

    title = "Normalization-based attention (our interpretation)"
    source = "Sun, Zou et al. 2022, IEEE Access 10; Liu, Shao et al. 2021, arXiv:2111.12419"
    residue = "as ReActNet; a gate by one number, where its result is added"

    def after(self, channels: int) -> nn.Module:
        return nn.Sequential(OrderedDict(act=RPReLU(channels), attention=Attention(channels)))
