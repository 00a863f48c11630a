"""Images and their targets, mirrored and shifted."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["mirrored", "shifted"]


def mirrored(images: Tensor, chosen: Tensor) -> Tensor:
    """Return the images, the chosen ones mirrored left to right.

    Parameters
    ----------
    images : (n, channels, height, width)
    chosen : (n,) bool
    """
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def shifted(images: Tensor, down: Tensor, right: Tensor, border: int, *, fill: int = 0) -> Tensor:
    """Return images shifted by integer numbers of pixels, each by its own offsets.

    Parameters
    ----------
    images : (n, channels, height, width)
    down, right : (n,) int64, from -border to border
    fill : value of the pixels that come from outside
    """
    count, channels, height, width = images.shape
    device = images.device
    padded = F.pad(images, (border, border, border, border), value=fill)
    rows = (border - down)[:, None, None, None] + torch.arange(height, device=device)[:, None]
    columns = (border - right)[:, None, None, None] + torch.arange(width, device=device)
    samples = torch.arange(count, device=device)[:, None, None, None]
    return padded[samples, torch.arange(channels, device=device)[:, None, None], rows, columns]
