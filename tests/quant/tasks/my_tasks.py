"""Data and networks of a user for tasks at positions of images: a bright square on noise."""

import numpy as np
import torch
from torch import Tensor, nn

from quant.models import ImageScale

SIDE, COUNT = 16, {"train": 160, "test": 40}


def _squares(split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images (n, 16, 16, 1) uint8, and the upper left corner and the size of each square."""
    random = np.random.default_rng(split == "test")
    count = COUNT[split]
    images = random.integers(0, 60, (count, SIDE, SIDE, 1)).astype(np.uint8)
    sizes = random.integers(4, 8, count)
    corners = np.stack([random.integers(0, SIDE - sizes) for _ in range(2)], 1)
    for image, (y, x), size in zip(images, corners, sizes, strict=True):
        image[y : y + size, x : x + size] += 150
    return images, corners, sizes


def segments(split: str) -> tuple[np.ndarray, np.ndarray]:
    images, _, _ = _squares(split)
    labels = (images[..., 0] > 100).astype(int)
    labels[:, 0, 0] = 255  # counts for nothing
    return images, labels


def points(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return two points of each square, its corners, of which the second one is hidden in every fourth image."""
    images, corners, sizes = _squares(split)
    upper = corners[:, ::-1]
    both = np.stack((upper, upper + sizes[:, None] - 1), 1).astype(float)
    visible = np.ones((len(images), 2, 1))
    visible[::4, 1] = 0
    return images, np.concatenate((both, visible), 2)


def doubled(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images of half the size, and the images."""
    images, _, _ = _squares(split)
    small = images.reshape(len(images), SIDE // 2, 2, SIDE // 2, 2, 1).mean((2, 4))
    return small.astype(np.uint8), images


class Positions(nn.Module):
    """Two binary convolutions and one of 1 x 1 pixels, which has the results at each position."""

    def __init__(self, channels: int, outputs: int, width: int) -> None:
        super().__init__()
        self.pixels = ImageScale()
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.norm0 = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.head = nn.Conv2d(width, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        stream = self.norm0(self.stem(self.pixels(images)))
        return self.head(torch.nn.functional.hardtanh(stream + self.norm1(self.conv(stream))))


def each(frame_shape: tuple[int, int, int], classes: int) -> nn.Module:
    return Positions(frame_shape[0], classes, 12)


def larger(frame_shape: tuple[int, int, int], classes: int) -> nn.Module:
    return nn.Sequential(Positions(frame_shape[0], 4 * classes, 12), nn.PixelShuffle(2))


def vector(classes: int) -> nn.Module:
    return nn.Sequential(ImageScale(), nn.Flatten(), nn.Linear(SIDE * SIDE, classes))
