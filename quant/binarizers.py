"""Quantizers of Brevitas with our options: weights and activations -1 or +1, scale 1, sign(0) = +1; pixels in 8 bits.

Forward, ``sign(x)``. Backward, the straight-through estimator of BinaryNet (Courbariaux, Hubara et al. 2016): the
gradient passes where ``|x| <= 1`` and stops elsewhere; the real-valued weights are clipped to [-1, 1] in place.
Activations compute that in three passes over memory instead of Brevitas' ten, with the same numbers.

Brevitas ignores options that it does not know, so a misspelt one leaves a default in effect (a weight scale of 0.1).
Therefore the options are attributes of quantizer classes, and `check_binary` and `check_fixed_point` verify the result.
"""

from typing import TypeVar

import torch
from brevitas.core.quant import ClampedBinaryQuant, RescalingIntQuant
from brevitas.core.restrict_val import RestrictValueType
from brevitas.core.scaling import ScalingImplType
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas.quant import Int8ActPerTensorFloat, SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import Tensor, nn

from quant.estimators import sign_clipped
from quant.rounding import RoundingIdentity

__all__ = [
    "BinaryActivation",
    "BinaryWeight",
    "FixedPointActivation",
    "binary_activation",
    "binary_convolution",
    "binary_linear",
    "check_binary",
    "check_fixed_point",
    "fixed_point_activation",
]


Layer = TypeVar("Layer", QuantLinear, QuantConv2d, QuantIdentity)


class UnitBinaryQuant(ClampedBinaryQuant):
    """`ClampedBinaryQuant` for a scale of 1."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return sign_clipped(x), self.scaling_impl(x), self.zero_point(), self.bit_width()


class BinaryWeight(SignedBinaryWeightPerTensorConst):
    """Weights of -1 and +1."""

    scaling_const = 1.0


class BinaryActivation(SignedBinaryActPerTensorConst):
    """Activations of -1 and +1; the gradient passes between `min_val` and `max_val`."""

    tensor_quant = UnitBinaryQuant
    min_val = -1.0
    max_val = 1.0


class FixedPointActivation(Int8ActPerTensorFloat):
    """Multiples of 1/128 from -1 to 127/128, ties to even, as Q1.7 at the input of Brevitas' own CNV."""

    scaling_impl_type = ScalingImplType.CONST
    restrict_scaling_type = RestrictValueType.POWER_OF_TWO
    narrow_range = False
    min_val = -1.0
    max_val = 1.0 - 2.0**-7


def binary_linear(synapses: int, neurons: int) -> QuantLinear:
    """Return a dense layer with binary weights and no bias."""
    layer = QuantLinear(synapses, neurons, bias=False, weight_quant=BinaryWeight)
    nn.init.uniform_(layer.weight, -1.0, 1.0)
    return check_binary(layer)


def binary_convolution(channels: int, filters: int, *, kernel: int, padding: int = 0, stride: int = 1) -> QuantConv2d:
    """Return a convolution over images with binary weights, no bias and zero padding."""
    layer = QuantConv2d(
        channels, filters, kernel, stride=stride, padding=padding, bias=False, weight_quant=BinaryWeight
    )
    nn.init.uniform_(layer.weight, -1.0, 1.0)
    return check_binary(layer)


def binary_activation() -> QuantIdentity:
    """Return the sign of its input."""
    return check_binary(QuantIdentity(act_quant=BinaryActivation))


def fixed_point_activation() -> QuantIdentity:
    """Return the rounding of its input to 8-bit fixed point."""
    layer = RoundingIdentity(act_quant=FixedPointActivation, step=2.0**-7, least=-128, greatest=127)
    return check_fixed_point(layer)


def check_binary(layer: Layer) -> Layer:
    """Return a layer of Brevitas after checking that it is binary.

    Raises
    ------
    ValueError
        An option had no effect: the layer has another quantizer, scale or bit width.
    """
    kind = type(layer).__name__
    if isinstance(layer, QuantIdentity):
        wrapper = layer.act_quant.fused_activation_quant_proxy.tensor_quant
    else:
        wrapper = layer.weight_quant.tensor_quant
        if layer.bias is not None:
            raise ValueError(f"Bias of a binary {kind} must be absent, not of {layer.bias.numel()} numbers")
    if not isinstance(wrapper, ClampedBinaryQuant):
        raise ValueError(f"Quantizer of a binary {kind} must be ClampedBinaryQuant, not {type(wrapper).__name__}")
    with torch.no_grad():
        # A separate probe, because reading the layer's weights through the quantizer would clip them.
        values, scale, zero_point, bits = wrapper(torch.tensor([-2.0, -0.25, -0.0, 0.0, 2.0]))
    facts = {"scale": scale.item(), "zero point": zero_point.item(), "bit width": bits.item()}
    for what, rule in (("scale", 1.0), ("zero point", 0.0), ("bit width", 1.0)):
        if facts[what] != rule:
            raise ValueError(f"{what.capitalize()} of a binary {kind} must be {rule:g}, not {facts[what]:g}")
    if values.tolist() != [-1.0, -1.0, 1.0, 1.0, 1.0]:
        raise ValueError(f"Signs of a binary {kind} must be -1 below 0 and +1 from 0 on, not {values.tolist()}")
    return layer


def check_fixed_point(layer: QuantIdentity) -> QuantIdentity:
    """Return a layer of Brevitas after checking that it rounds to 8-bit fixed point.

    Raises
    ------
    ValueError
        An option had no effect: the layer has another quantizer, scale, bit width or range.
    """
    wrapper = layer.act_quant.fused_activation_quant_proxy.tensor_quant
    if not isinstance(wrapper, RescalingIntQuant):
        raise ValueError(f"Quantizer of a fixed-point layer must be RescalingIntQuant, not {type(wrapper).__name__}")
    with torch.no_grad():
        values, scale, zero_point, bits = wrapper(torch.tensor([-2.0, -1.0, 0.5 / 128, 1.5 / 128, 2.0]))
    facts = {"scale": scale.item(), "zero point": zero_point.item(), "bit width": bits.item()}
    for what, rule in (("scale", 2.0**-7), ("zero point", 0.0), ("bit width", 8.0)):
        if facts[what] != rule:
            raise ValueError(f"{what.capitalize()} of a fixed-point layer must be {rule:g}, not {facts[what]:g}")
    codes = (values * 128).tolist()
    if codes != [-128.0, -128.0, 0.0, 2.0, 127.0]:
        raise ValueError(f"Codes of a fixed-point layer must be -128 to 127 with ties to even, not {codes}")
    return layer
