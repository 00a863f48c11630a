"""Random changes of training images by Kornia, which computes them where the images are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["augmentation_of", "cropped"]

#: Images that get the same operations, each with its own parameters.
_TOGETHER = 16

#: RandAugment's operations per image, and their magnitude of 30.
_OPERATIONS, _MAGNITUDE = 2, 9


def augmentation_of(name: str) -> Callable[[Tensor, int], Tensor] | None:
    """Return a function from images and a seed to changed images, or None for "none".

    Images are (n, 1 or 3, height, width) float32 in 0 to 1. Groups of images get operations of their own.
    """
    if name == "none":
        return None
    policy = _policy(name)

    def changed(images: Tensor, seed: int) -> Tensor:
        gray = images.shape[1] == 1
        colours = images.expand(-1, 3, -1, -1) if gray else images
        with _seeded(images, seed):
            parts = [policy(part.contiguous()) for part in colours.split(_TOGETHER)]
        result = torch.cat(parts).clamp(0, 1)
        return result.mean(1, keepdim=True) if gray else result

    return changed


def cropped(images: Tensor, least: float, seed: int) -> Tensor:
    """Return a random part of each image, scaled to the image's size (Szegedy et al. 2015).

    Parameters
    ----------
    images : (n, channels, height, width) float32 in 0 to 1
    least : part of the image's area that the smallest crop has
    """
    from kornia.augmentation import RandomResizedCrop

    height, width = images.shape[2:]
    crop = RandomResizedCrop((height, width), scale=(least, 1.0), ratio=(3 / 4, 4 / 3))
    with _seeded(images, seed):
        parts: Tensor = crop(images)
    return parts.clamp(0, 1)


@contextmanager
def _seeded(images: Tensor, seed: int) -> Iterator[None]:
    """Let torch draw numbers from a seed for a while, where the images are."""
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad():
        torch.manual_seed(seed)
        yield


def _policy(name: str) -> nn.Module:
    from kornia.augmentation import auto

    policy: nn.Module = auto.TrivialAugment() if name == "trivial" else auto.RandAugment(_OPERATIONS, _MAGNITUDE)
    return policy
