"""Networks for training, built from modules of Brevitas and torch with names that the exported file keeps."""

from collections import OrderedDict
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from dataflow import InputError
from quant.binarizers import fixed_point_activation
from quant.quantizers import activation, convolution, linear
from quant.recipes import ConvolutionalRecipe, Recipe

__all__ = ["FlattenImage", "ImageScale", "PixelScale", "ScoreNorm", "build", "convolutional", "dense"]

_POOL_SIZE = 2


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


def build(recipe: Recipe, frame_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """Return the untrained network of a recipe.

    Parameters
    ----------
    frame_shape : shape of a frame at the network's input, (channels, height, width)
    classes : number of scores

    Raises
    ------
    InputError
        The frame is too small for so many layers.
    """
    bits = {name: getattr(recipe, name) for name in ("weight_bits", "activation_bits", "input_bits")}
    if isinstance(recipe, ConvolutionalRecipe):
        sizes = {"kernel": recipe.kernel, "padding": recipe.padding_size}
        return convolutional(frame_shape, recipe.convolutions, recipe.hidden, classes, **sizes, **bits)
    return dense(frame_shape, recipe.hidden, classes, **bits)


def dense(
    frame_shape: tuple[int, ...],
    hidden: tuple[int, ...],
    classes: int,
    *,
    weight_bits: int = 1,
    activation_bits: int = 1,
    input_bits: int = 1,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Return a dense network: pixels to signs, layers of binary weights, batch norm and sign, scores.

    Layers are called ``pixels, binarize, fc0, norm0, sign0, fc1, ..., scores``; the exported file keeps the names.
    Quantizers of several bits are called ``quantize`` at the input and ``quantize0``, ... instead.

    Parameters
    ----------
    frame_shape : shape of a frame at the network's input, (channels, height, width)
    hidden : neurons of each hidden layer
    classes : number of scores
    weight_bits, activation_bits : 1 for -1 and +1, or 2 for -1, 0 and +1
    input_bits : as those of activations, or 8 for multiples of 1/128 from -1 to 127/128
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(pixels=PixelScale())
    _append_input(layers, input_bits)
    _append_dense(layers, prod(frame_shape), hidden, classes, weight_bits, activation_bits)
    return nn.Sequential(layers)


def convolutional(
    frame_shape: tuple[int, int, int],
    convolutions: tuple[int | str, ...],
    hidden: tuple[int, ...],
    classes: int,
    *,
    kernel: int = 3,
    padding: int = 0,
    weight_bits: int = 1,
    activation_bits: int = 1,
    input_bits: int = 8,
) -> nn.Sequential:
    """Return a network of convolutions and dense layers, in the order of Brevitas' CNV.

    Pixels are rounded to 8-bit fixed point or to signs. Convolutions of stride 1 with binary weights follow, each with
    batch norm and sign, and max pools of the signs; then dense layers as in `dense`. Layers of a kind are counted from
    0: ``pixels, quantize (or binarize), conv0, norm0, sign0, conv1, norm1, sign1, pool0, ..., flatten, fc0, norm2,
    sign2, ..., scores``; the exported file keeps the names. Activations of several bits are called ``quantize0``, ...

    Parameters
    ----------
    frame_shape : shape of a frame at the network's input, (channels, height, width)
    convolutions : filters of each convolution, and "P" for a max pool of 2 x 2 pixels (an odd last row or column of
        pixels is left out)
    hidden : neurons of each hidden dense layer
    classes : number of scores
    kernel : height and width of every convolution
    padding : zeros around the input of every convolution
    weight_bits, activation_bits, input_bits : as of `dense`

    Raises
    ------
    InputError
        The frame is too small for so many layers.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(pixels=ImageScale())
    _append_input(layers, input_bits)
    channels, height, width = _append_convolutions(
        layers, frame_shape, convolutions, kernel, padding, weight_bits, activation_bits
    )
    layers["flatten"] = FlattenImage()
    _append_dense(layers, channels * height * width, hidden, classes, weight_bits, activation_bits)
    return nn.Sequential(layers)


def _append_input(layers: OrderedDict[str, nn.Module], bits: int) -> None:
    layers["binarize" if bits == 1 else "quantize"] = fixed_point_activation() if bits == 8 else activation(bits)


def _append_activation(layers: OrderedDict[str, nn.Module], index: int, bits: int) -> None:
    layers[f"{'sign' if bits == 1 else 'quantize'}{index}"] = activation(bits)


def _append_convolutions(
    layers: OrderedDict[str, nn.Module],
    frame_shape: tuple[int, int, int],
    convolutions: tuple[int | str, ...],
    kernel: int,
    padding: int,
    weight_bits: int,
    activation_bits: int,
) -> tuple[int, int, int]:
    """Append convolutions and pools, and return the output shape of the last one."""
    channels, height, width = frame_shape
    convolution_count = pool_count = 0
    for entry in convolutions:
        if isinstance(entry, str):
            name = f"pool{pool_count}"
            _require_image(name, (height, width), f"{_POOL_SIZE} x {_POOL_SIZE} pixels", _POOL_SIZE)
            layers[name] = nn.MaxPool2d(_POOL_SIZE)
            height, width = height // _POOL_SIZE, width // _POOL_SIZE
            pool_count += 1
            continue
        name = f"conv{convolution_count}"
        height, width = height + 2 * padding, width + 2 * padding
        _require_image(name, (height, width), f"{kernel} x {kernel} pixels with its padding", kernel)
        layers[name] = convolution(channels, entry, kernel=kernel, bits=weight_bits, padding=padding)
        layers[f"norm{convolution_count}"] = nn.BatchNorm2d(entry)
        _append_activation(layers, convolution_count, activation_bits)
        channels, height, width = entry, height - kernel + 1, width - kernel + 1
        convolution_count += 1
    return channels, height, width


def _require_image(name: str, image: tuple[int, int], rule: str, least: int) -> None:
    if min(image) < least:
        raise InputError(f"Input of {name!r} must be at least {rule}, not {image[0]} x {image[1]}")


def _append_dense(
    layers: OrderedDict[str, nn.Module],
    synapses: int,
    hidden: tuple[int, ...],
    classes: int,
    weight_bits: int,
    activation_bits: int,
) -> None:
    """Append hidden layers, the last layer and the normalization of the scores; numbers of norms and signs continue."""
    norm_count = sum(name.startswith("norm") for name in layers)
    sizes = (synapses, *hidden)
    for index, (inputs, neurons) in enumerate(pairwise(sizes)):
        layers[f"fc{index}"] = linear(inputs, neurons, bits=weight_bits)
        layers[f"norm{norm_count + index}"] = nn.BatchNorm1d(neurons)
        _append_activation(layers, norm_count + index, activation_bits)
    layers[f"fc{len(hidden)}"] = linear(sizes[-1], classes, bits=weight_bits)
    layers["scores"] = ScoreNorm()
