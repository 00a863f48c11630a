"""Normalizations for two runs over a network: each run has statistics and parameters of its own."""

import copy

from torch import Tensor, nn

from quant.methods._method import Clock

__all__ = ["Apart", "set_apart"]


class Apart(nn.Module):
    """A normalization, and another one for the second run of a training step; at inference, the first."""

    def __init__(self, first: nn.Module, clock: Clock) -> None:
        super().__init__()
        self.first = first
        self.second = copy.deepcopy(first)
        self._clock = clock

    def forward(self, numbers: Tensor) -> Tensor:
        normalized: Tensor = (self.second if self.training and self._clock.run else self.first)(numbers)
        return normalized

    def at_inference(self) -> nn.Module:
        return self.first


def set_apart(network: nn.Module, clock: Clock) -> None:
    """Replace all modules of a network that measure a running mean, in place."""
    for name, child in network.named_children():
        if "running_mean" in dict(child.named_buffers(recurse=False)):
            setattr(network, name, Apart(child, clock))
        else:
            set_apart(child, clock)
