"""The network that a training leaves: Brevitas' layers with weights of -1 and +1, and constants for each channel."""

import copy
from collections import OrderedDict
from collections.abc import Callable

import torch
from brevitas.nn import QuantConv1d, QuantConv2d, QuantLinear
from torch import Tensor, nn

from quant.binarizers import BinaryWeight, binary_activation, check_binary
from quant.methods._layers import BinaryConv1d, BinaryConv2d, BinaryLayer, BinaryLinear, BinarySign

__all__ = ["ChannelScale", "ChannelShift", "deployed"]


class ChannelScale(nn.Module):
    """Numbers times a constant for each channel of the second axis."""

    factors: Tensor

    def __init__(self, factors: Tensor) -> None:
        super().__init__()
        self.register_buffer("factors", factors)

    def forward(self, numbers: Tensor) -> Tensor:
        return numbers * self.factors.reshape(-1, *[1] * (numbers.ndim - 2))


class ChannelShift(nn.Module):
    """Numbers plus a constant for each channel of the second axis."""

    shifts: Tensor

    def __init__(self, shifts: Tensor) -> None:
        super().__init__()
        self.register_buffer("shifts", shifts)

    def forward(self, numbers: Tensor) -> Tensor:
        return numbers + self.shifts.reshape(-1, *[1] * (numbers.ndim - 2))


def deployed(network: nn.Module) -> nn.Module:
    """Return a copy of a network in evaluation mode, whose binary layers are Brevitas' with weights of -1 and +1.

    A layer with factors is followed by their multiplication, and a sign with a threshold comes after its addition;
    they are called ``scale`` and ``shift`` within the layer's name, beside ``layer`` and ``sign``. A method's module
    that is another one at inference returns it from a method of its own, `at_inference`.
    """
    return _replaced(copy.deepcopy(network).eval(), _deployed)


def _replaced(module: nn.Module, change: Callable[[nn.Module], nn.Module | None]) -> nn.Module:
    """Return a module in which those of a kind are others; `change` returns None for all others."""
    changed = change(module)
    if changed is not None:
        return changed.eval()
    for name, child in module.named_children():
        setattr(module, name, _replaced(child, change))
    return module


def _deployed(module: nn.Module) -> nn.Module | None:
    if isinstance(module, BinaryLayer):
        weight, factors = module.final()
        layer = _layer_of_brevitas(module)
        with torch.no_grad():
            layer.weight.copy_(weight)
        if factors is None:
            return layer
        return nn.Sequential(OrderedDict(layer=layer, scale=ChannelScale(factors)))
    if isinstance(module, BinarySign):
        return _deployed_sign(module)
    at_inference: Callable[[], nn.Module] | None = getattr(module, "at_inference", None)
    return None if at_inference is None else at_inference()


def _deployed_sign(module: BinarySign) -> nn.Module:
    """Return the sign, with a shift before it and other levels than -1 and +1 after it, where there are any."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    method = module.shared.method
    if module.before is not None:
        layers["before"] = _replaced(module.before, _deployed)
    threshold = torch.zeros(1) if module.threshold is None else module.threshold.detach().clone()
    if module.threshold is not None or method.offset:
        layers["shift"] = ChannelShift(threshold - method.offset)
    layers["sign"] = binary_activation()
    low, high = method.levels
    if (low, high) != (-1.0, 1.0):
        layers["scale"] = ChannelScale(torch.tensor([(high - low) / 2]))
        layers["levels"] = ChannelShift(torch.tensor([(high + low) / 2]))
    return nn.Sequential(layers) if len(layers) > 1 else layers["sign"]


def _layer_of_brevitas(layer: BinaryLayer) -> QuantLinear | QuantConv1d | QuantConv2d:
    """Return Brevitas' layer with the sizes of a layer."""
    if isinstance(layer, BinaryLinear):
        dense = QuantLinear(layer.in_features, layer.out_features, bias=False, weight_quant=BinaryWeight)
        return check_binary(dense)
    assert isinstance(layer, BinaryConv1d | BinaryConv2d)
    sizes = {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups")}
    kind = QuantConv1d if isinstance(layer, BinaryConv1d) else QuantConv2d
    return check_binary(
        kind(
            *(layer.in_channels, layer.out_channels, layer.kernel_size),
            **sizes,
            bias=False,
            weight_quant=BinaryWeight,
        )
    )
