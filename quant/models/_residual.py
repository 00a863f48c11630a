"""Residual networks with one shortcut per binary convolution, whose streams are codes of one grid.

Between the stem and the classifier runs a stream of signed codes of `stream_bits` bits and of one step ``D``, a power
of two. A block adds a branch to it (Bi-Real; Liu, Wu et al. 2018)::

    branch   = quantize(norm(conv(sign(stream))))
    shortcut = stream, or quantize(downsample(stream)) where the image gets smaller
    stream   = quantize(after(branch + shortcut))

All three quantizers have the same codes, so an addition is one of integers, and what follows it (hard tanh or PReLU)
is a function of one small integer for each channel. Training sees the same codes from the first step. Both 0 and -0
have the sign +1, which matters here, since a stream is often exactly 0.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from brevitas.nn import QuantIdentity
from torch import Tensor, nn
from torch.nn import functional as F

from dataflow import InputError
from quant.methods import BEYOND_ONE, BNN, Method, Shared
from quant.models._layers import FlattenImage, ImageScale, ScoreNorm, append_input
from quant.quantizers import activation, convolution, grid_activation, linear

__all__ = ["residual"]

Image = tuple[int, int]


@dataclass(frozen=True)
class Grid:
    """Signed codes of `bits` bits times `step`."""

    bits: int
    step: float

    def quantizer(self) -> QuantIdentity:
        return grid_activation(bits=self.bits, step=self.step)

    @property
    def has_one(self) -> bool:
        """Whether -1 and +1 are numbers of the grid."""
        return self.step <= 1 <= (2 ** (self.bits - 1) - 1) * self.step


class Sum(nn.Module):
    """The sum of a branch and its shortcut."""

    def forward(self, branch: Tensor, shortcut: Tensor) -> Tensor:
        return branch + shortcut


class _Clipping(torch.autograd.Function):
    """Numbers clipped to -1 and +1, as `torch.clamp` does, whose gradient takes six times as long."""

    @staticmethod
    def forward(context: Any, numbers: Tensor) -> Tensor:
        context.save_for_backward(numbers)
        return torch.clamp(numbers, -1.0, 1.0)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (numbers,) = context.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradient, numbers, -BEYOND_ONE, BEYOND_ONE)


class HardTanh(nn.Module):
    """Numbers clipped to -1 and +1; the gradient passes at these bounds, which are codes of a grid, but not beyond."""

    def forward(self, numbers: Tensor) -> Tensor:
        clipped: Tensor = _Clipping.apply(numbers) if self.training else torch.clamp(numbers, -1.0, 1.0)
        return clipped


class Duplicate(nn.Module):
    """All channels twice."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat((images, images), 1)


class EverySecondPixel(nn.Module):
    """The pixels of every second row and column, from the first on."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :, ::2, ::2]


class ZeroChannels(nn.Module):
    """The channels, then as many of zeros as are missing."""

    def __init__(self, missing: int) -> None:
        super().__init__()
        self.missing = missing

    def forward(self, images: Tensor) -> Tensor:
        return F.pad(images, (0, 0, 0, 0, 0, self.missing))


class Block(nn.Module):
    """A convolution of 3 x 3 pixels with its shortcut.

    Parameters
    ----------
    channels, filters : channels of the stream before and after
    shortcut : to the shape of the stream after
    after : what follows the addition
    grid : codes of branch and stream
    shared : the method of the layers of 1 bit
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        *,
        stride: int,
        shortcut: nn.Module,
        after: nn.Module,
        grid: Grid,
        weight_bits: int,
        activation_bits: int,
        shared: Shared,
    ) -> None:
        super().__init__()
        self.sign = activation(activation_bits, channels, shared=shared)
        self.conv = convolution(channels, filters, kernel=3, bits=weight_bits, padding=1, stride=stride, shared=shared)
        if weight_bits == 1 and isinstance(shared.method, BNN):
            # Weights between -1 and +1 would need a learning rate that is too large for the first and the last layer:
            # with Adam, a weight moves by about the learning rate in a step, and most would keep their first sign.
            self.conv.reset_parameters()
        self.norm = nn.BatchNorm2d(filters)
        self.quantize = grid.quantizer()
        self.shortcut = shortcut
        self.add = Sum()
        self.after = after
        self.stream = grid.quantizer()
        #: Whether what follows the addition returns codes, so that training can leave their rounding out.
        self.rounded = isinstance(after, HardTanh) and grid.has_one

    def forward(self, stream: Tensor) -> Tensor:
        branch = self.quantize(self.norm(self.conv(self.sign(stream))))
        total: Tensor = self.after(self.add(branch, self.shortcut(stream)))
        return total if self.training and self.rounded else self.stream(total)


def residual(
    frame_shape: tuple[int, int, int],
    widths: tuple[int, ...],
    depth: int,
    classes: int,
    *,
    stem: str = "3x3",
    downsample: str = "average",
    after: str = "hardtanh",
    stream_bits: int = 8,
    stream_step: float = 2.0**-6,
    stem_bits: int = 8,
    head_bits: int = 8,
    weight_bits: int = 1,
    activation_bits: int = 1,
    input_bits: int = 8,
    method: Method | None = None,
) -> nn.Sequential:
    """Return a residual network: a stem, stages of blocks, the mean of each channel, one dense layer.

    Each stage but the first halves the image. ResNet-20 has the widths 16, 32, 64 and a depth of 6, ResNet-18 the
    widths 64, 128, 256, 512 and a depth of 4.

    Layers are called ``pixels, quantize, stem.conv, stem.norm, stem.quantize, block0, block1, ..., mean, flatten, fc,
    scores``, those of a block ``block0.sign, .conv, .norm, .quantize, .add, .after, .stream``, and those of a shortcut
    that changes its shape ``block0.shortcut.pool, ..., block0.shortcut.quantize``. The exported file keeps the names.

    Parameters
    ----------
    frame_shape : shape of a frame at the network's input, (channels, height, width)
    widths : channels of each stage
    depth : blocks of each stage
    classes : number of scores
    stem : "3x3", or "7x7" for a convolution of stride 2 and a max pool of 3 x 3 pixels with stride 2
    downsample : the shortcut that halves the image: "average", means of 2 x 2 pixels, all channels twice if there
        are twice as many; "zeros", every second pixel, zeros in new channels; or "convolution", one of 1 x 1 pixel
        with weights of 8 bits and a batch norm
    after : what follows an addition, "hardtanh", "prelu" (one slope for each channel), or "method" for what the method
        has there
    stream_bits, stream_step : bits and step of the codes
    stem_bits, head_bits : bits of the weights of the first convolution and of the dense layer, 1, 2 or 8
    weight_bits, activation_bits : bits of the convolutions in blocks, 1 for -1 and +1, or 2 for -1, 0 and +1
    input_bits : 8, pixels as multiples of 1/128 from -1 to 127/128; or 1 or 2

    Raises
    ------
    InputError
        The frame is too small for so many stages, or an image cannot be halved.
    """
    grid, shared = Grid(stream_bits, stream_step), Shared(method or BNN())
    layers: OrderedDict[str, nn.Module] = OrderedDict(pixels=ImageScale())
    append_input(layers, input_bits, shared)
    channels, image = frame_shape[0], frame_shape[1:]
    layers["stem"], image = _stem(stem, channels, image, widths[0], stem_bits, grid, shared)
    channels, count = widths[0], 0
    for stage, filters in enumerate(widths):
        for index in range(depth):
            halved = stage > 0 and index == 0
            name = f"block{count}"
            if halved:
                image = _half(name, image)
            layers[name] = Block(
                channels,
                filters,
                stride=2 if halved else 1,
                shortcut=_downsampling(downsample, channels, filters, grid, shared) if halved else nn.Sequential(),
                after=_after(after, filters, shared.method),
                grid=grid,
                weight_bits=weight_bits,
                activation_bits=activation_bits,
                shared=shared,
            )
            channels, count = filters, count + 1
    layers["mean"] = nn.AvgPool2d(image)
    layers["flatten"] = FlattenImage()
    layers["fc"] = linear(channels, classes, bits=head_bits, shared=shared)
    layers["scores"] = ScoreNorm()
    return nn.Sequential(layers)


def _after(kind: str, channels: int, method: Method) -> nn.Module:
    """Return what follows an addition."""
    if kind == "method":
        return method.after(channels) or HardTanh()
    return HardTanh() if kind == "hardtanh" else nn.PReLU(channels)


def _stem(
    kind: str, channels: int, image: Image, filters: int, bits: int, grid: Grid, shared: Shared
) -> tuple[nn.Sequential, Image]:
    """Return the first layers and the size of the image after them."""
    large = kind == "7x7"
    sizes = {"kernel": 7, "padding": 3, "stride": 2} if large else {"kernel": 3, "padding": 1}
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=convolution(channels, filters, bits=bits, shared=shared, **sizes),
        norm=nn.BatchNorm2d(filters),
        quantize=grid.quantizer(),
    )
    if large:
        layers["pool"] = nn.MaxPool2d(3, 2, 1)
        image = -(-image[0] // 4), -(-image[1] // 4)
    return nn.Sequential(layers), image


def _half(name: str, image: Image) -> Image:
    if any(size % 2 for size in image):
        size = f"{image[0]} x {image[1]}"
        raise InputError(f"Input of {name!r} must be an even number of pixels high and wide, not {size}")
    return image[0] // 2, image[1] // 2


def _downsampling(kind: str, channels: int, filters: int, grid: Grid, shared: Shared) -> nn.Sequential:
    """Return a shortcut that halves the image; its last layer is a quantizer."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if kind == "convolution":
        layers["conv"] = convolution(channels, filters, kernel=1, bits=8, stride=2, shared=shared)
        layers["norm"] = nn.BatchNorm2d(filters)
    elif kind == "zeros":
        layers["skip"] = EverySecondPixel()
        if filters > channels:
            layers["zeros"] = ZeroChannels(filters - channels)
    else:
        layers["pool"] = nn.AvgPool2d(2)
        if filters == 2 * channels:
            layers["twice"] = Duplicate()
    layers["quantize"] = grid.quantizer()
    return nn.Sequential(layers)
