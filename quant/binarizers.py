"""Binarizers as Brevitas quantizers: weights and activations -1 or +1, scale 1, sign(0) = +1.

Forward, ``sign(x)``. Backward, the straight-through estimator of BinaryNet (Courbariaux, Hubara et al. 2016): the
gradient passes where ``|x| <= 1`` and stops elsewhere; the real-valued weights are clipped to [-1, 1] in place.

Brevitas ignores options that it does not know, so a misspelt one leaves a default in force (a weight scale of 0.1).
Hence the options stand on quantizer classes, and `check_binary` looks at what came of them.
"""

from typing import TypeVar

import torch
from brevitas.core.quant import ClampedBinaryQuant
from brevitas.nn import QuantIdentity, QuantLinear
from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import nn

__all__ = ["BinaryActivation", "BinaryWeight", "binary_activation", "binary_linear", "check_binary"]


Layer = TypeVar("Layer", QuantLinear, QuantIdentity)


class BinaryWeight(SignedBinaryWeightPerTensorConst):
    """Weights of -1 and +1."""

    scaling_const = 1.0


class BinaryActivation(SignedBinaryActPerTensorConst):
    """Activations of -1 and +1; the gradient passes between `min_val` and `max_val`."""

    min_val = -1.0
    max_val = 1.0


def binary_linear(synapses: int, neurons: int) -> QuantLinear:
    """Return a dense layer with binary weights and no bias."""
    layer = QuantLinear(synapses, neurons, bias=False, weight_quant=BinaryWeight)
    nn.init.uniform_(layer.weight, -1.0, 1.0)
    return check_binary(layer)


def binary_activation() -> QuantIdentity:
    """Return the sign of its input."""
    return check_binary(QuantIdentity(act_quant=BinaryActivation))


def check_binary(layer: Layer) -> Layer:
    """Return a layer of Brevitas, binary as it must be.

    Raises
    ------
    ValueError
        An option did not arrive: the layer quantizes otherwise, or with another scale or bit width.
    """
    kind = type(layer).__name__
    proxy = layer.weight_quant if isinstance(layer, QuantLinear) else layer.act_quant
    if isinstance(layer, QuantLinear) and layer.bias is not None:
        raise ValueError(f"Bias of a binary {kind} must be absent, not of {layer.bias.numel()} numbers")
    wrapper = proxy.tensor_quant if isinstance(layer, QuantLinear) else proxy.fused_activation_quant_proxy.tensor_quant
    if not isinstance(wrapper, ClampedBinaryQuant):
        raise ValueError(f"Quantizer of a binary {kind} must be ClampedBinaryQuant, not {type(wrapper).__name__}")
    with torch.no_grad():
        # A probe of its own: reading the layer's weights through the quantizer would clip them.
        values, scale, zero_point, bits = wrapper(torch.tensor([-2.0, -0.25, -0.0, 0.0, 2.0]))
    facts = {"scale": scale.item(), "zero point": zero_point.item(), "bit width": bits.item()}
    for what, rule in (("scale", 1.0), ("zero point", 0.0), ("bit width", 1.0)):
        if facts[what] != rule:
            raise ValueError(f"{what.capitalize()} of a binary {kind} must be {rule:g}, not {facts[what]:g}")
    if values.tolist() != [-1.0, -1.0, 1.0, 1.0, 1.0]:
        raise ValueError(f"Signs of a binary {kind} must be -1 below 0 and +1 from 0 on, not {values.tolist()}")
    return layer
