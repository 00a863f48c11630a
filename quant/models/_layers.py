"""Modules that networks for training have beside those of Brevitas and torch."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from quant.binarizers import fixed_point_activation
from quant.methods import Shared
from quant.quantizers import activation

__all__ = ["FlattenImage", "ImageScale", "PixelScale", "ScoreNorm", "append_input"]


class PixelScale(nn.Module):
    """Pixels in 0 to 1, in any frame shape, to a vector of numbers in -1 to +1."""

    def forward(self, pixels: Tensor) -> Tensor:
        return 2.0 * torch.reshape(pixels, (pixels.shape[0], -1)) - 1.0


class ImageScale(nn.Module):
    """Pixels in 0 to 1 to numbers in -1 to +1, in the same shape."""

    def forward(self, pixels: Tensor) -> Tensor:
        return 2.0 * pixels - 1.0


class FlattenImage(nn.Module):
    """An image to a vector: channel by channel, and each channel row by row."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.reshape(images, (images.shape[0], -1))


class ScoreNorm(nn.Module):
    """Scalar normalization of the scores: one mean, variance, weight and bias for all classes.

    ``(x - mean) / sqrt(variance + eps) * weight + bias``, with the batch's mean and variance in training and their
    running averages in evaluation. It is one affine function for all classes, so it changes no decision (while
    `weight` is positive), but it scales integer sums to the range that a loss expects. Brevitas' own examples call it
    TensorNorm.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, *, eps: float = 1e-4, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))
        self.register_buffer("running_mean", torch.zeros(1))
        self.register_buffer("running_var", torch.ones(1))

    def forward(self, scores: Tensor) -> Tensor:
        if self.training:
            scores = scores.float()  # in a training of mixed precision the scores have fewer bits
            mean, variance = self._moments(scores)
        else:
            mean, variance = self.running_mean, self.running_var
        return (scores - mean) / (variance + self.eps) ** 0.5 * self.weight + self.bias

    def _moments(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            self.running_mean.lerp_(scores.mean(), self.momentum)
            self.running_var.lerp_(scores.var(), self.momentum)
        return scores.mean(), scores.var(unbiased=False)


def append_input(layers: OrderedDict[str, nn.Module], bits: int, shared: Shared) -> None:
    """Append the quantizer of the input."""
    quantizer = fixed_point_activation() if bits == 8 else activation(bits, None, shared=shared)
    layers["binarize" if bits == 1 else "quantize"] = quantizer
