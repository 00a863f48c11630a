"""Binary networks with float stems, shortcuts and classifiers in plain torch, as their authors write them."""

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BiReal", "ReAct", "export", "trained"]


def sign(values: Tensor) -> Tensor:
    """Return -1 and +1, with the gradient of a hard tanh in training."""
    bits = torch.where(values >= 0, 1.0, -1.0)
    if not values.requires_grad:
        return bits
    clipped = values.clamp(-1, 1)
    return (bits - clipped).detach() + clipped


class BinaryConv(nn.Module):
    """A 3 x 3 convolution with signs of weights times their mean size (XNOR-Net)."""

    def __init__(self, channels: int, neurons: int, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(neurons, channels, 3, 3) * 0.1)
        self.stride = stride

    def forward(self, bits: Tensor) -> Tensor:
        scale = self.weight.abs().mean((1, 2, 3), keepdim=True).detach()
        return functional.conv2d(bits, sign(self.weight) * scale, None, self.stride, 1)


class Shortcut(nn.Sequential):
    """The way around a block that halves the image: average pool, float convolution, normalization."""

    def __init__(self, channels: int, neurons: int) -> None:
        super().__init__(nn.AvgPool2d(2), nn.Conv2d(channels, neurons, 1, bias=False), nn.BatchNorm2d(neurons))


class BiRealBlock(nn.Module):
    """A binary convolution with a float shortcut (Liu et al. 2018)."""

    def __init__(self, channels: int, neurons: int, stride: int) -> None:
        super().__init__()
        self.conv, self.norm = BinaryConv(channels, neurons, stride), nn.BatchNorm2d(neurons)
        self.way = nn.Identity() if stride == 1 and channels == neurons else Shortcut(channels, neurons)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(sign(x))) + self.way(x)


class ReActBlock(BiRealBlock):
    """The same with learned shifts before the sign and around a PReLU after the addition (Liu et al. 2020)."""

    def __init__(self, channels: int, neurons: int, stride: int) -> None:
        super().__init__(channels, neurons, stride)
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.before, self.after = (nn.Parameter(torch.zeros(1, neurons, 1, 1)) for _ in range(2))
        self.curve = nn.PReLU(neurons)

    def forward(self, x: Tensor) -> Tensor:
        total = self.norm(self.conv(sign(x + self.shift))) + self.way(x)
        return self.curve(total + self.before) + self.after


class Net(nn.Sequential):
    """A float stem, blocks of a kind, and a float classifier."""

    def __init__(self, block: type[BiRealBlock], channels: int, width: int, blocks: int = 2) -> None:
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width)]
        for stage in range(2):
            here = width << stage
            layers += [block(max(width, here // (2 if stage else 1)), here, 2 if stage else 1)]
            layers += [block(here, here, 1) for _ in range(blocks - 1)]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, 10))


def BiReal(channels: int, width: int, blocks: int = 2) -> Net:  # noqa: N802 - it makes a network, as a class does
    """Return a Bi-Real network."""
    return Net(BiRealBlock, channels, width, blocks)


def ReAct(channels: int, width: int, blocks: int = 2) -> Net:  # noqa: N802
    """Return a network of ReActNet's blocks."""
    return Net(ReActBlock, channels, width, blocks)


def trained(
    network: nn.Module, images: np.ndarray, labels: np.ndarray, *, epochs: int, rate: float = 0.005
) -> nn.Module:
    """Train a network on pixel / 255, and return it in evaluation mode."""
    planes = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    targets = torch.from_numpy(labels.astype(np.int64))
    steps = epochs * (len(planes) // 50)
    optimizer = torch.optim.Adam(network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    random = torch.Generator().manual_seed(0)
    network.train()
    for _ in range(epochs):
        order = torch.randperm(len(planes), generator=random)
        for rows in order[: len(planes) // 50 * 50].split(50):
            optimizer.zero_grad()
            functional.cross_entropy(network(planes[rows]), targets[rows]).backward()
            optimizer.step()
            schedule.step()
    return network.eval().requires_grad_(False)


def export(network: nn.Module, shape: tuple[int, int, int], path: Path) -> Path:
    """Write a network in evaluation mode as ONNX with torch's exporter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TorchScript's exporter, which most published files come from
        torch.onnx.export(network, (torch.zeros(1, *shape),), str(path), opset_version=17, dynamo=False)
    return path
