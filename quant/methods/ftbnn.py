"""FTBNN: a non-linear function after each binary layer. Our interpretation: its placement is not established."""

from dataclasses import dataclass

from torch import nn

from quant.methods.bireal import BiReal

__all__ = ["FTBNN"]


@dataclass(frozen=True)
class FTBNN(BiReal):
    """The signs of Bi-Real Net, and a PReLU for each channel after each normalization, or after the addition of a
    shortcut.

    The other two ingredients are options of residual networks: binary purification (`downsample = "binary"`), and
    groups with wider layers (`groups`).
    """

    title = "FTBNN's non-linear functions (our interpretation)"
    source = "Su, Gong et al. 2020, arXiv:2010.09294"
    residue = "a scale per channel; a PReLU, where its result is added"

    def after(self, channels: int) -> nn.Module:
        return nn.PReLU(channels)
