"""Random changes of training images by Kornia, which computes them where the images are."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["augmentation_of"]

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
        devices = [images.device] if images.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.no_grad():
            torch.manual_seed(seed)
            parts = [policy(part.contiguous()) for part in colours.split(_TOGETHER)]
        result = torch.cat(parts).clamp(0, 1)
        return result.mean(1, keepdim=True) if gray else result

    return changed


def _policy(name: str) -> nn.Module:
    from kornia.augmentation import auto

    policy: nn.Module = auto.TrivialAugment() if name == "trivial" else auto.RandAugment(_OPERATIONS, _MAGNITUDE)
    return policy
