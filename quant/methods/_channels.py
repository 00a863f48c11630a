"""Functions of one number for each channel that are learned, and normalizations, which become such at inference."""

import torch
from torch import Tensor, nn

__all__ = ["ChannelNorm", "LearnedShift"]


class ChannelNorm(nn.BatchNorm2d):
    """Batch normalization of the second axis, with any number of axes after it."""

    def _check_input_dim(self, input: Tensor) -> None:
        assert input.ndim >= 2


class LearnedShift(nn.Module):
    """Numbers plus a learned number for each channel of the second axis; 0 at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + self.shift.reshape(-1, *[1] * (inputs.ndim - 2))
