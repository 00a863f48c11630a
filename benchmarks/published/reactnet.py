"""ReActNet (Liu et al. 2020) on MobileNet's sequence of layers, for images of 32 x 32."""

import torch
from torch import Tensor, nn

from benchmarks.published.bireal import BinaryActivation, HardBinaryConv

__all__ = ["ReActNet"]


class LearnableBias(nn.Module):
    """A learned shift of each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.expand_as(x)


class RPReLU(nn.Sequential):
    """A PReLU between two learned shifts."""

    def __init__(self, channels: int) -> None:
        super().__init__(LearnableBias(channels), nn.PReLU(channels), LearnableBias(channels))


class RSign(nn.Sequential):
    """A sign after a learned shift."""

    def __init__(self, channels: int) -> None:
        super().__init__(LearnableBias(channels), BinaryActivation())


class BasicBlock(nn.Module):
    """A 3 x 3 and a 1 x 1 binary convolution, each with a shortcut; where channels double, two 1 x 1 side by side."""

    def __init__(self, channels: int, neurons: int, stride: int) -> None:
        super().__init__()
        self.sign1, self.sign2 = RSign(channels), RSign(channels)
        self.binary_3x3, self.bn1 = HardBinaryConv(channels, channels, 3, stride), nn.BatchNorm2d(channels)
        self.curve1, self.curve2 = RPReLU(channels), RPReLU(neurons)
        self.pooling = nn.AvgPool2d(2, 2) if stride == 2 else None
        if neurons not in (channels, 2 * channels):
            raise ValueError(f"Neurons must be {channels} or {2 * channels}, not {neurons}")
        self.binary_pw = nn.ModuleList(HardBinaryConv(channels, channels, 1) for _ in range(neurons // channels))
        self.bn2 = nn.ModuleList(nn.BatchNorm2d(channels) for _ in self.binary_pw)

    def forward(self, x: Tensor) -> Tensor:
        out1 = self.bn1(self.binary_3x3(self.sign1(x)))
        if self.pooling is not None:
            x = self.pooling(x)
        out1 = self.curve1(x + out1)
        signs = self.sign2(out1)
        parts = [norm(conv(signs)) + out1 for conv, norm in zip(self.binary_pw, self.bn2, strict=True)]
        out2 = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        return self.curve2(out2)


class ReActNet(nn.Module):
    """A float stem, blocks, and a float classifier.

    Parameters
    ----------
    width : channels of the stem
    widths : channels of the blocks in widths of the stem; a block with more than the one before halves the image, but
        for the first
    """

    def __init__(self, width: int = 32, widths: tuple[int, ...] = (2, 4, 4, 8, 8, 16), classes: int = 10) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 3, 2, padding=1, bias=False), nn.BatchNorm2d(width)
        layers, channels = [], width
        for place, times in enumerate(widths):
            neurons = width * times
            layers.append(BasicBlock(channels, neurons, 2 if place and neurons != channels else 1))
            channels = neurons
        self.feature = nn.Sequential(*layers)
        self.pool1, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.feature(self.bn1(self.conv1(x))))
        x = x.view(x.size(0), -1)
        return self.fc(x)
