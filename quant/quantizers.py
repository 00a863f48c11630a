"""Quantizers of Brevitas with our options for several bits: weights of 2 and of 8 bits, activations on a grid.

Weights of 2 bits and activations of 2 bits are -1, 0 and +1, as in Brevitas' own bnn_pynq networks (narrow range, scale
1). A grid has the codes of n bits times a step that is a power of two, so sums of its numbers are exact in floats.
Weights of 8 bits are -127 to 127 times a power of two that follows the largest weight. Ties are rounded to even.

Backward, the straight-through estimator: the gradient of a rounding is 1. An activation stops it where it saturates, as
Brevitas does; the real-valued weights of 2 bits are clipped to [-1, 1] in place, as those of 1 bit are.
Activations compute that in six passes over memory instead of Brevitas' eighteen, with the same numbers.

Options that Brevitas does not know have no effect, so `check_grid` and `check_weights` verify the result.
"""

import copy
from typing import Any, TypeVar

import torch
from brevitas.core.quant import RescalingIntQuant
from brevitas.core.restrict_val import RestrictValueType
from brevitas.core.scaling import ScalingImplType
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerTensorFloat
from brevitas.quant.fixed_point import Int8WeightPerChannelFixedPoint, Int8WeightPerTensorFixedPoint
from torch import Tensor, nn

from quant.methods import BNN, BinaryConv2d, BinaryLinear, BinarySign, Shared
from quant.rounding import RoundingIdentity, rounded

__all__ = [
    "ByteWeight",
    "ChannelByteWeight",
    "GridActivation",
    "TernaryActivation",
    "TernaryWeight",
    "activation",
    "check_grid",
    "check_weights",
    "convolution",
    "grid_activation",
    "linear",
    "ternary_activation",
]


Layer = TypeVar("Layer", QuantLinear, QuantConv2d)


class GridQuant(RescalingIntQuant):
    """`RescalingIntQuant` for signed activations with a constant scale that is a power of two."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        bits = self.msb_clamp_bit_width_impl()
        scale = self.scaling_impl(x, self.int_scaling_impl(bits))
        least, greatest = int(self.int_quant.min_int(bits)), int(self.int_quant.max_int(bits))
        return rounded(x, scale.item(), least, greatest), scale, self.zero_point_impl(x, scale, bits), bits


class ClippedIntQuant(RescalingIntQuant):
    """`RescalingIntQuant` that first clips the weights to [-1, 1] in place, so that none is out of reach for good."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        with torch.no_grad():
            x.clamp_(-1.0, 1.0)
        quantized: tuple[Tensor, Tensor, Tensor, Tensor] = super().forward(x)
        return quantized


class TernaryWeight(Int8WeightPerTensorFloat):
    """Weights of -1, 0 and +1."""

    tensor_quant = ClippedIntQuant
    bit_width = 2
    scaling_impl_type = ScalingImplType.CONST
    scaling_const = 1.0


class ByteWeight(Int8WeightPerTensorFixedPoint):
    """Weights of -127 to 127 times one power of two."""


class ChannelByteWeight(Int8WeightPerChannelFixedPoint):
    """Weights of -127 to 127 times a power of two of their channel."""


class TernaryActivation(Int8ActPerTensorFloat):
    """Activations of -1, 0 and +1."""

    tensor_quant = GridQuant
    bit_width = 2
    scaling_impl_type = ScalingImplType.CONST
    restrict_scaling_type = RestrictValueType.FP
    narrow_range = True
    min_val = -1.0
    max_val = 1.0


class GridActivation(Int8ActPerTensorFloat):
    """Multiples of a power of two; `bit_width`, `min_val` and `max_val` are given with the layer."""

    tensor_quant = GridQuant
    scaling_impl_type = ScalingImplType.CONST
    restrict_scaling_type = RestrictValueType.POWER_OF_TWO
    narrow_range = False


def ternary_activation() -> QuantIdentity:
    """Return the rounding of its input to -1, 0 and +1."""
    return _grid(1.0, -1, 1, act_quant=TernaryActivation)


def grid_activation(*, bits: int, step: float) -> QuantIdentity:
    """Return the rounding of its input to signed codes of `bits` bits times `step`, a power of two."""
    least, greatest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    bounds = {"min_val": least * step, "max_val": greatest * step}
    return _grid(step, least, greatest, act_quant=GridActivation, bit_width=bits, narrow_range=False, **bounds)


def _grid(step: float, least: int, greatest: int, **options: Any) -> QuantIdentity:
    layer = RoundingIdentity(step=step, least=least, greatest=greatest, **options)
    return check_grid(layer, step=step, least=least, greatest=greatest)


def activation(bits: int, channels: int | None = None, *, shared: Shared | None = None) -> BinarySign | QuantIdentity:
    """Return a layer to activations of 1 bit (-1 and +1), by the network's method, or of 2 bits (-1, 0 and +1).

    Parameters
    ----------
    shared : what the binary layers of the network share; without, the method is BinaryNet's
    """
    return BinarySign(channels, shared=shared or Shared(BNN())) if bits == 1 else ternary_activation()


def linear(synapses: int, neurons: int, *, bits: int, shared: Shared | None = None) -> BinaryLinear | QuantLinear:
    """Return a dense layer with weights of 1 bit, by the network's method, or of 2 or 8 bits and one scale; no bias."""
    if bits == 1:
        return BinaryLinear(synapses, neurons, shared=shared or Shared(BNN()))
    quantizer = {2: TernaryWeight, 8: ByteWeight}[bits]
    layer = QuantLinear(synapses, neurons, bias=False, weight_quant=quantizer)
    if bits == 2:
        nn.init.uniform_(layer.weight, -1.0, 1.0)
    return check_weights(layer, bits=bits)


def convolution(
    channels: int,
    filters: int,
    *,
    kernel: int,
    bits: int,
    padding: int = 0,
    stride: int = 1,
    groups: int = 1,
    shared: Shared | None = None,
) -> BinaryConv2d | QuantConv2d:
    """Return a convolution over images with weights of 1 bit, by the network's method, or of 2 or 8 bits, no bias.

    It pads with zeros.

    Weights of 8 bits have a scale for each filter.
    """
    if bits == 1:
        shared = shared or Shared(BNN())
        return BinaryConv2d(channels, filters, kernel, padding=padding, stride=stride, groups=groups, shared=shared)
    sizes = {"stride": stride, "padding": padding, "groups": groups}
    quantizer = {2: TernaryWeight, 8: ChannelByteWeight}[bits]
    layer = QuantConv2d(channels, filters, kernel, **sizes, bias=False, weight_quant=quantizer)
    if bits == 2:
        nn.init.uniform_(layer.weight, -1.0, 1.0)
    return check_weights(layer, bits=bits)


def check_grid(layer: QuantIdentity, *, step: float, least: int, greatest: int) -> QuantIdentity:
    """Return a layer of Brevitas after checking that it rounds to a grid.

    Raises
    ------
    ValueError
        An option had no effect: the layer has another quantizer, step, zero point or range.
    """
    wrapper = layer.act_quant.fused_activation_quant_proxy.tensor_quant
    if not isinstance(wrapper, GridQuant):
        raise ValueError(f"Quantizer of a grid must be GridQuant, not {type(wrapper).__name__}")
    with torch.no_grad():
        codes = torch.tensor([least - 1.0, least, -0.5, 0.5, greatest, greatest + 1.0])
        values, scale, zero_point, _ = wrapper(codes * step)
    for what, rule, found in (("Step", step, scale.item()), ("Zero point", 0.0, zero_point.item())):
        if found != rule:
            raise ValueError(f"{what} of a grid must be {rule:g}, not {found:g}")
    found_codes, expected = (values / step + 0.0).tolist(), [least, least, 0.0, 0.0, greatest, greatest]
    if found_codes != expected:
        raise ValueError(f"Codes of a grid must be {least} to {greatest} with ties to even, not {found_codes}")
    return layer


def check_weights(layer: Layer, *, bits: int) -> Layer:
    """Return a layer of Brevitas after checking that its weights are of `bits` bits, without the least code.

    Raises
    ------
    ValueError
        An option had no effect: the weights have another bit width, zero point, range or scale.
    """
    kind = type(layer).__name__
    if layer.bias is not None:
        raise ValueError(f"Bias of a {kind} must be absent, not of {layer.bias.numel()} numbers")
    if not layer.weight_quant.is_narrow_range:
        raise ValueError(f"Codes of the weights of a {kind} must be without the least one of {bits} bits")
    with torch.no_grad():
        weights = copy.deepcopy(layer).quant_weight()  # a copy, because reading weights may clip them
    for what, rule, found in (("Bit width", bits, weights.bit_width), ("Zero point", 0, weights.zero_point)):
        if found.item() != rule:
            raise ValueError(f"{what} of the weights of a {kind} must be {rule}, not {found.item():g}")
    scales = weights.scale.flatten()
    if bool((scales.log2() % 1 != 0).any()) or (bits == 2 and scales.tolist() != [1.0]):
        allowed = "1" if bits == 2 else "powers of two"
        raise ValueError(f"Scales of the weights of a {kind} must be {allowed}, not {scales.tolist()}")
    return layer
