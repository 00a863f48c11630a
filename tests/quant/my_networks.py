"""Networks of a user: a small residual one of plain torch layers, and some that cannot be trained or lowered."""

import torch
from torch import Tensor, nn

from quant.models import ImageScale, ScoreNorm


class Block(nn.Module):
    """A convolution and its shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()

    def forward(self, stream: Tensor) -> Tensor:
        return self.relu(self.norm(self.conv(stream)) + stream)


class Small(nn.Module):
    """A stem, blocks, the mean of each channel, a dense layer."""

    def __init__(self, frame_shape: tuple[int, int, int], classes: int, width: int, blocks: int) -> None:
        super().__init__()
        channels, height, width_of_image = frame_shape
        self.pixels = ImageScale()
        self.stem = nn.Sequential(nn.Conv2d(channels, width, 3, stride=4, bias=False), nn.BatchNorm2d(width))
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))
        image = (height - 3) // 4 + 1, (width_of_image - 3) // 4 + 1
        self.mean = nn.AvgPool2d(image)
        self.fc = nn.Linear(width, classes, bias=False)
        self.scores = ScoreNorm()

    def forward(self, images: Tensor) -> Tensor:
        stream = self.blocks(self.stem(self.pixels(images)))
        return self.scores(self.fc(torch.flatten(self.mean(stream), 1)))


def build(frame_shape: tuple[int, int, int], classes: int, width: int = 8, blocks: int = 2) -> nn.Module:
    return Small(frame_shape, classes, width, blocks)


def without_scale(classes: int) -> nn.Module:
    """Return a network whose first sign sees pixels from 0 to 1, which are all +1."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, classes, bias=False), ScoreNorm())


def real(classes: int) -> nn.Module:
    """Return a network with a softmax of a hidden layer, which has no hardware."""
    return nn.Sequential(
        ImageScale(), nn.Flatten(), nn.Linear(784, 6), nn.Softmax(1), ImageScale(), nn.Linear(6, classes), ScoreNorm()
    )


def flat(classes: int) -> nn.Module:
    """Return a network that takes vectors, not images."""
    return nn.Sequential(nn.Linear(784, classes))


def pair() -> nn.Module:
    """Return a network of two scores."""
    return nn.Sequential(ImageScale(), nn.Flatten(), nn.Linear(784, 2, bias=False), ScoreNorm())


def number() -> int:
    return 3
