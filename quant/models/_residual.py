"""Residual networks with one shortcut per binary convolution, whose streams are codes of one grid.

Between the stem and the classifier runs a stream of signed codes of `stream_bits` bits and of one step ``D``, a power
of two. A block adds a branch to it (Bi-Real; Liu, Wu et al. 2018)::

    branch   = quantize(norm(conv(sign(stream))))
    shortcut = stream, or quantize(downsample(stream)) where the image gets smaller
    stream   = quantize(after(branch + shortcut))

All three quantizers have the same codes, so an addition is one of integers, and what follows it (hard tanh or PReLU)
is a function of one small integer for each channel. A mean of paths is one of codes of the grid too, and rounded to
it. Training sees the same codes from the first step. Both 0 and -0 have the sign +1, which matters here, since a stream
is often exactly 0.
"""

from collections import OrderedDict
from dataclasses import dataclass
from math import isqrt
from typing import Any

import torch
from brevitas.nn import QuantConv2d, QuantIdentity
from torch import Tensor, nn
from torch.nn import functional as F

from dataflow import InputError
from quant.methods import BEYOND_ONE, BNN, BinaryConv2d, Method, Shared
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


@dataclass(frozen=True)
class Plan:
    """What all blocks of a network have in common; the parameters are those of `residual`."""

    grid: Grid
    downsample: str
    after: str
    weight_bits: int
    activation_bits: int
    groups: int
    double_residual: bool
    shared: Shared

    def sign(self, channels: int) -> nn.Module:
        return activation(self.activation_bits, channels, shared=self.shared)

    def convolution(
        self, channels: int, filters: int, *, kernel: int = 3, stride: int = 1, groups: int = 1
    ) -> BinaryConv2d | QuantConv2d:
        layer = convolution(
            channels,
            filters,
            kernel=kernel,
            bits=self.weight_bits,
            padding=kernel // 2,
            stride=stride,
            groups=groups,
            shared=self.shared,
        )
        if self.weight_bits == 1 and isinstance(self.shared.method, BNN):
            # Weights between -1 and +1 would need a learning rate that is too large for the first and the last layer:
            # with Adam, a weight moves by about the learning rate in a step, and most would keep their first sign.
            layer.reset_parameters()
        return layer

    def following(self, channels: int) -> nn.Module:
        """Return what follows an addition."""
        if self.after == "method":
            return self.shared.method.after(channels) or HardTanh()
        return HardTanh() if self.after == "hardtanh" else nn.PReLU(channels)


class Block(nn.Module):
    """A convolution of 3 x 3 pixels with its shortcut, or two of them with one.

    Parameters
    ----------
    channels, filters : channels of the stream before and after
    shortcut : to the shape of the stream after
    after : what follows the addition
    """

    def __init__(
        self, channels: int, filters: int, *, stride: int, shortcut: nn.Module, after: nn.Module, plan: Plan
    ) -> None:
        super().__init__()
        self.first = None
        if not plan.double_residual:
            self.first = _without_shortcut(channels, filters, stride, plan)
            channels, stride = filters, 1
        self.sign = plan.sign(channels)
        self.conv = plan.convolution(channels, filters, stride=stride, groups=plan.groups)
        self.norm = nn.BatchNorm2d(filters)
        self.quantize = plan.grid.quantizer()
        self.shortcut = shortcut
        self.add = Sum()
        self.after = after
        self.stream = plan.grid.quantizer()
        #: Whether what follows the addition returns codes, so that training can leave their rounding out.
        self.rounded = isinstance(after, HardTanh) and plan.grid.has_one

    def forward(self, stream: Tensor) -> Tensor:
        numbers = stream if self.first is None else self.first(stream)
        branch = self.quantize(self.norm(self.conv(self.sign(numbers))))
        total: Tensor = self.after(self.add(branch, self.shortcut(stream)))
        return total if self.training and self.rounded else self.stream(total)


class Mean(nn.Module):
    """The mean of two paths."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return (left + right) * 0.5


class Fractal(nn.Module):
    """The mean of a path of two parts, each of one column fewer, and of a single block (SoFAr, FractalNet)."""

    def __init__(self, first: nn.Module, second: nn.Module, single: nn.Module, grid: Grid) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.single = single
        self.join = Mean()
        self.stream = grid.quantizer()

    def forward(self, stream: Tensor) -> Tensor:
        joined: Tensor = self.stream(self.join(self.second(self.first(stream)), self.single(stream)))
        return joined


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
    groups: int = 1,
    columns: int = 1,
    double_residual: bool = True,
    method: Method | None = None,
) -> nn.Sequential:
    """Return a residual network: a stem, stages of blocks, the mean of each channel, one dense layer.

    Each stage but the first halves the image. ResNet-20 has the widths 16, 32, 64 and a depth of 6, ResNet-18 the
    widths 64, 128, 256, 512 and a depth of 4.

    Layers are called ``pixels, quantize, stem.conv, stem.norm, stem.quantize, block0, block1, ..., mean, flatten, fc,
    scores``, those of a block ``block0.sign, .conv, .norm, .quantize, .add, .after, .stream``, and those of a shortcut
    that changes its shape ``block0.shortcut.pool, ..., block0.shortcut.quantize``. A first convolution without a
    shortcut is called ``block0.first``, and the parts of a block of several columns ``block0.first, .second, .single,
    .join, .stream``. The exported file keeps the names.

    Parameters
    ----------
    frame_shape : shape of a frame at the network's input, (channels, height, width)
    widths : channels of each stage
    depth : convolutions of each stage, or blocks of several columns
    classes : number of scores
    stem : "3x3", or "7x7" for a convolution of stride 2 and a max pool of 3 x 3 pixels with stride 2
    downsample : the shortcut that halves the image: "average", means of 2 x 2 pixels, all channels twice if there
        are twice as many; "zeros", every second pixel, zeros in new channels; "convolution", one of 1 x 1 pixel
        with weights of 8 bits and a batch norm; or "binary", means, their signs, a binary convolution of 1 x 1 pixel
        and a batch norm
    after : what follows an addition, "hardtanh", "prelu" (one slope for each channel), or "method" for what the method
        has there
    stream_bits, stream_step : bits and step of the codes
    stem_bits, head_bits : bits of the weights of the first convolution and of the dense layer, 1, 2 or 8
    weight_bits, activation_bits : bits of the convolutions in blocks, 1 for -1 and +1, or 2 for -1, 0 and +1
    input_bits : 8, pixels as multiples of 1/128 from -1 to 127/128; or 1 or 2
    groups : of the convolutions in blocks, a square number; all widths are multiplied by its root, so that there are
        as many products of weights as without groups
    columns : of a block; with one it is a convolution with its shortcut, ``f_1``; with more, ``f_c+1(x)`` is the mean
        of ``f_c(f_c(x))`` and ``f_1(x)``, so that the gradient has short paths
    double_residual : whether each convolution has a shortcut (Bi-Real); otherwise two have one, as in the first
        residual networks, and `depth` is even

    Raises
    ------
    InputError
        The frame is too small for so many stages, an image cannot be halved, or channels cannot be divided into groups.
    """
    grid, shared = Grid(stream_bits, stream_step), Shared(method or BNN())
    plan = Plan(grid, downsample, after, weight_bits, activation_bits, groups, double_residual, shared)
    widths = _widened(widths, groups)
    if not double_residual and depth % 2:
        raise InputError(f"depth of a network with a shortcut for two convolutions must be even, not {depth}")
    layers: OrderedDict[str, nn.Module] = OrderedDict(pixels=ImageScale())
    append_input(layers, input_bits, shared)
    channels, image = frame_shape[0], frame_shape[1:]
    layers["stem"], image = _stem(stem, channels, image, widths[0], stem_bits, grid, shared)
    channels, count = widths[0], 0
    for stage, filters in enumerate(widths):
        for index in range(depth if double_residual else depth // 2):
            halved = stage > 0 and index == 0
            name = f"block{count}"
            if halved:
                image = _half(name, image)
            layers[name] = _block(columns, channels, filters, 2 if halved else 1, plan)
            channels, count = filters, count + 1
    layers["mean"] = nn.AvgPool2d(image)
    layers["flatten"] = FlattenImage()
    layers["fc"] = linear(channels, classes, bits=head_bits, shared=shared)
    layers["scores"] = ScoreNorm()
    return nn.Sequential(layers)


def _widened(widths: tuple[int, ...], groups: int) -> tuple[int, ...]:
    root = isqrt(groups)
    if root**2 != groups or any(width % root for width in widths):
        raise InputError(
            f"groups must be a square number whose root divides all widths, {', '.join(map(str, widths))}, not {groups}"
        )
    return tuple(width * root for width in widths)


def _block(columns: int, channels: int, filters: int, stride: int, plan: Plan) -> nn.Module:
    """Return a block of so many columns."""
    if columns > 1:
        return Fractal(
            _block(columns - 1, channels, filters, stride, plan),
            _block(columns - 1, filters, filters, 1, plan),
            _block(1, channels, filters, stride, plan),
            plan.grid,
        )
    shortcut = nn.Sequential() if stride == 1 else _downsampling(channels, filters, plan)
    return Block(channels, filters, stride=stride, shortcut=shortcut, after=plan.following(filters), plan=plan)


def _without_shortcut(channels: int, filters: int, stride: int, plan: Plan) -> nn.Sequential:
    """Return the first of two convolutions that have one shortcut, whose numbers only a sign reads."""
    return nn.Sequential(
        OrderedDict(
            sign=plan.sign(channels),
            conv=plan.convolution(channels, filters, stride=stride, groups=plan.groups),
            norm=nn.BatchNorm2d(filters),
            after=plan.following(filters),
        )
    )


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


def _downsampling(channels: int, filters: int, plan: Plan) -> nn.Sequential:
    """Return a shortcut that halves the image; its last layer is a quantizer."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if plan.downsample == "convolution":
        layers["conv"] = convolution(channels, filters, kernel=1, bits=8, stride=2, shared=plan.shared)
        layers["norm"] = nn.BatchNorm2d(filters)
    elif plan.downsample == "zeros":
        layers["skip"] = EverySecondPixel()
        if filters > channels:
            layers["zeros"] = ZeroChannels(filters - channels)
    else:
        layers["pool"] = nn.AvgPool2d(2)
        if plan.downsample == "binary":
            layers["sign"] = plan.sign(channels)
            layers["conv"] = plan.convolution(channels, filters, kernel=1)
            layers["norm"] = nn.BatchNorm2d(filters)
        elif filters == 2 * channels:
            layers["twice"] = Duplicate()
    layers["quantize"] = plan.grid.quantizer()
    return nn.Sequential(layers)
