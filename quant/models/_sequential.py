"""Networks that are a sequence of layers."""

from collections import OrderedDict
from itertools import pairwise
from math import prod

from torch import nn

from dataflow import InputError
from quant.methods import BNN, Method, Shared
from quant.models._layers import FlattenImage, ImageScale, PixelScale, ScoreNorm, append_input
from quant.quantizers import activation, convolution, linear

__all__ = ["convolutional", "dense"]

_POOL_SIZE = 2


def dense(
    frame_shape: tuple[int, ...],
    hidden: tuple[int, ...],
    classes: int,
    *,
    weight_bits: int = 1,
    activation_bits: int = 1,
    input_bits: int = 1,
    method: Method | None = None,
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
    method : of the layers of 1 bit; the default is BinaryNet's. What it has after a normalization is called
        ``after0``, ...
    """
    shared = Shared(method or BNN())
    layers: OrderedDict[str, nn.Module] = OrderedDict(pixels=PixelScale())
    append_input(layers, input_bits, shared)
    _append_dense(layers, prod(frame_shape), hidden, classes, weight_bits, activation_bits, shared)
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
    method: Method | None = None,
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
    weight_bits, activation_bits, input_bits, method : as of `dense`

    Raises
    ------
    InputError
        The frame is too small for so many layers.
    """
    shared = Shared(method or BNN())
    layers: OrderedDict[str, nn.Module] = OrderedDict(pixels=ImageScale())
    append_input(layers, input_bits, shared)
    channels, height, width = _append_convolutions(
        layers, frame_shape, convolutions, kernel, padding, weight_bits, activation_bits, shared
    )
    layers["flatten"] = FlattenImage()
    _append_dense(layers, channels * height * width, hidden, classes, weight_bits, activation_bits, shared)
    return nn.Sequential(layers)


def _append_activation(
    layers: OrderedDict[str, nn.Module], index: int, channels: int, bits: int, shared: Shared
) -> None:
    """Append what the method has after a normalization, and the quantizer."""
    after = shared.method.after(channels)
    if after is not None:
        layers[f"after{index}"] = after
    layers[f"{'sign' if bits == 1 else 'quantize'}{index}"] = activation(bits, channels, shared=shared)


def _append_convolutions(
    layers: OrderedDict[str, nn.Module],
    frame_shape: tuple[int, int, int],
    convolutions: tuple[int | str, ...],
    kernel: int,
    padding: int,
    weight_bits: int,
    activation_bits: int,
    shared: Shared,
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
        layers[name] = convolution(channels, entry, kernel=kernel, bits=weight_bits, padding=padding, shared=shared)
        layers[f"norm{convolution_count}"] = nn.BatchNorm2d(entry)
        _append_activation(layers, convolution_count, entry, activation_bits, shared)
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
    shared: Shared,
) -> None:
    """Append hidden layers, the last layer and the normalization of the scores; numbers of norms and signs continue."""
    norm_count = sum(name.startswith("norm") for name in layers)
    sizes = (synapses, *hidden)
    for index, (inputs, neurons) in enumerate(pairwise(sizes)):
        layers[f"fc{index}"] = linear(inputs, neurons, bits=weight_bits, shared=shared)
        layers[f"norm{norm_count + index}"] = nn.BatchNorm1d(neurons)
        _append_activation(layers, norm_count + index, neurons, activation_bits, shared)
    layers[f"fc{len(hidden)}"] = linear(sizes[-1], classes, bits=weight_bits, shared=shared)
    layers["scores"] = ScoreNorm()
