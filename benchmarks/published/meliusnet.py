"""MeliusNet (Bethge et al. 2021), with a stem that halves images of 32 x 32.

Dense blocks add channels and improvement blocks improve them, both binary; transitions between them are float.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["MeliusNet"]


class Sign(torch.autograd.Function):
    """A sign with sign(0) = +1, and the gradient of a hard tanh."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        signs = torch.sign(x)
        return torch.where(signs == 0, torch.ones_like(signs), signs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where(x.abs() <= 1.3, grad, torch.zeros_like(grad))


class BinaryConv(nn.Conv2d):
    """A 3 x 3 convolution of signs with signs, without scales."""

    def __init__(self, channels: int, neurons: int) -> None:
        super().__init__(channels, neurons, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(Sign.apply(x), Sign.apply(self.weight), padding=1)


class DenseBlock(nn.Module):
    """New channels by a binary convolution, behind those that there are."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(BinaryConv(channels, growth), nn.BatchNorm2d(growth))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.body(x)], dim=1)


class ImprovementBlock(nn.Module):
    """A binary convolution whose sums are added to the last channels."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.kept = channels - growth
        self.body = nn.Sequential(BinaryConv(channels, growth), nn.BatchNorm2d(growth))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, : self.kept], x[:, self.kept :] + self.body(x)], dim=1)


class Transition(nn.Sequential):
    """Half the image and fewer channels, by a float convolution."""

    def __init__(self, channels: int, neurons: int) -> None:
        super().__init__(
            nn.BatchNorm2d(channels), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(channels, neurons, 1, bias=False)
        )


class MeliusNet(nn.Module):
    """A float stem, pairs of blocks with float transitions between them, and a float classifier.

    Parameters
    ----------
    width : channels that each dense block adds; the stem and each transition have twice as many
    pairs : of a dense block and an improvement block in each stage
    """

    def __init__(self, width: int = 64, pairs: tuple[int, ...] = (3, 3, 3), classes: int = 10) -> None:
        super().__init__()
        channels = 2 * width
        layers: list[nn.Module] = []
        for stage, count in enumerate(pairs):
            if stage:
                layers.append(Transition(channels, 2 * width))
                channels = 2 * width
            for _ in range(count):
                layers += [DenseBlock(channels, width), ImprovementBlock(channels + width, width)]
                channels += width
        self.stem = nn.Sequential(nn.Conv2d(3, 2 * width, 3, 2, padding=1, bias=False), nn.BatchNorm2d(2 * width))
        self.features = nn.Sequential(*layers)
        self.finalize = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.output = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.finalize(self.features(self.stem(x))))
