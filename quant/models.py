"""Networks that are trained, as modules of Brevitas and torch with names that the exported file keeps."""

from collections import OrderedDict
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from quant.binarizers import binary_activation, binary_linear

__all__ = ["PixelScale", "ScoreNorm", "dense"]


class PixelScale(nn.Module):
    """Pixels in 0 to 1, any frame shape, to numbers in -1 to +1 in one row."""

    def forward(self, pixels: Tensor) -> Tensor:
        return 2.0 * torch.reshape(pixels, (pixels.shape[0], -1)) - 1.0


class ScoreNorm(nn.Module):
    """Scalar normalization of the scores: one mean, variance, weight and bias for all classes.

    ``(x - mean) / sqrt(variance + eps) * weight + bias``, with the batch's mean and variance in training and their
    running averages in evaluation. Being one affine for all classes it changes no decision (while `weight` is
    positive), but it scales integer sums to what a loss expects. As TensorNorm of Brevitas' own examples.
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
        mean, variance = self._moments(scores) if self.training else (self.running_mean, self.running_var)
        return (scores - mean) / (variance + self.eps) ** 0.5 * self.weight + self.bias

    def _moments(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            self.running_mean.lerp_(scores.mean(), self.momentum)
            self.running_var.lerp_(scores.var(), self.momentum)
        return scores.mean(), scores.var(unbiased=False)


def dense(
    frame_shape: tuple[int, ...], hidden: tuple[int, ...], classes: int, *, dropout: float = 0.0
) -> nn.Sequential:
    """Return a dense binary network: pixels to signs, layers of binary weights, batch norm and sign, scores.

    Layers are called ``pixels, binarize, fc0, norm0, sign0, fc1, ..., scores``; the exported file keeps the names.

    Parameters
    ----------
    frame_shape : shape of a frame as the network gets it, (channels, height, width)
    hidden : neurons of each hidden layer
    classes : number of scores
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(pixels=PixelScale(), binarize=binary_activation())
    sizes = (prod(frame_shape), *hidden)
    for index, (synapses, neurons) in enumerate(pairwise(sizes)):
        layers[f"fc{index}"] = binary_linear(synapses, neurons)
        layers[f"norm{index}"] = nn.BatchNorm1d(neurons)
        layers[f"sign{index}"] = binary_activation()
    layers[f"fc{len(hidden)}"] = binary_linear(sizes[-1], classes)
    layers["scores"] = ScoreNorm()
    return nn.Sequential(layers)
