"""Bi-Real Net of 18 layers (Liu et al. 2018), with the stem of networks for images of 32 x 32."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["BiReal", "BinaryActivation", "HardBinaryConv"]


class Parabolas(torch.autograd.Function):
    """A sign with the gradient of two parabolas."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.sign(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * (2 - 2 * x.abs()).clamp_(min=0)


class BinaryActivation(nn.Module):
    """A sign, in files as the authors write it: with a difference of parabolas that is 0, for the gradient.

    The training here takes the same gradient from a function, which needs a third of the time.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return Parabolas.apply(x)
        out = torch.sign(x)
        mask1, mask2, mask3 = ((x < bound).type(x.dtype) for bound in (-1, 0, 1))
        out1 = (-1) * mask1 + (x * x + 2 * x) * (1 - mask1)
        out2 = out1 * mask2 + (-x * x + 2 * x) * (1 - mask2)
        out3 = out2 * mask3 + 1 * (1 - mask3)
        return out.detach() - out3.detach() + out3


class HardBinaryConv(nn.Module):
    """A convolution with signs of weights times the mean size of each neuron's."""

    def __init__(self, channels: int, neurons: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.padding = stride, kernel // 2
        self.weights = nn.Parameter(torch.rand(neurons, channels, kernel, kernel) * 0.001)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.weights
        scale = weights.abs().mean((1, 2, 3), keepdim=True).detach()
        signs = scale * torch.sign(weights)
        clipped = torch.clamp(weights, -1.0, 1.0)
        binary = signs.detach() - clipped.detach() + clipped
        return F.conv2d(x, binary, stride=self.stride, padding=self.padding)


class Block(nn.Module):
    """A sign, a binary convolution, a normalization, and the shortcut around them."""

    def __init__(self, channels: int, neurons: int, stride: int) -> None:
        super().__init__()
        self.binary_activation = BinaryActivation()
        self.binary_conv = HardBinaryConv(channels, neurons, stride=stride)
        self.bn1 = nn.BatchNorm2d(neurons)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != neurons:
            self.downsample = nn.Sequential(
                nn.AvgPool2d(2, stride), nn.Conv2d(channels, neurons, 1, bias=False), nn.BatchNorm2d(neurons)
            )

    def forward(self, x: Tensor) -> Tensor:
        residual = x if self.downsample is None else self.downsample(x)
        out = self.bn1(self.binary_conv(self.binary_activation(x)))
        out += residual
        return out


class BiReal(nn.Module):
    """A float stem, four stages of blocks, and a float classifier.

    Parameters
    ----------
    width : channels of the first stage; each further stage has twice as many
    blocks : of each stage
    """

    def __init__(self, width: int = 64, blocks: tuple[int, ...] = (4, 4, 4, 4), classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        layers, channels = [], width
        for stage, count in enumerate(blocks):
            for place in range(count):
                layers.append(Block(channels, width << stage, 2 if stage and not place else 1))
                channels = width << stage
        self.layers = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(self.bn1(self.conv1(x)))
        x = self.avgpool(x)
        x = x.view(x.size(0), -1)
        return self.fc(x)
