"""Statistics of weights for each filter, which methods have in common."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dataflow import InputError

if TYPE_CHECKING:
    from quant.methods._layers import BinaryLayer

__all__ = ["above_zero", "centred", "check_deviation", "mean_size", "per_filter", "standardized"]


def above_zero(sizes: Tensor) -> Tensor:
    """Return sizes that can be divided by, where all weights may be 0."""
    return sizes.clamp_min(torch.finfo(sizes.dtype).tiny)


def per_filter(factors: Tensor, weights: Tensor) -> Tensor:
    """Return (neurons,) numbers in a shape that broadcasts with weights."""
    return factors.reshape(-1, *[1] * (weights.ndim - 1))


def centred(weights: Tensor) -> Tensor:
    """Return weights minus the mean of their filter."""
    return weights - per_filter(weights.flatten(1).mean(1), weights)


def standardized(weights: Tensor, deviation: float = 1.0) -> Tensor:
    """Return weights minus the mean of their filter, divided by its standard deviation, times `deviation`.

    A filter whose weights are all equal has no deviation. Its numbers are 0, and their gradient is that of a filter
    with the deviation 1, so that it can become another one.
    """
    values, flat = centred(weights), weights.detach().flatten(1)
    low, high = flat.aminmax(dim=1)
    equal = (high - low) ** 2 < torch.finfo(flat.dtype).tiny  # the variance of such weights is 0
    # In place of equal weights any others: the gradient of a deviation of 0 is no number.
    others = torch.arange(flat.shape[1], dtype=flat.dtype, device=flat.device)
    spread = torch.where(equal[:, None], others, values.flatten(1)).std(1)
    values = values - torch.where(per_filter(equal, values), values.detach(), 0)  # centred but for rounding
    return values / per_filter(torch.where(equal, 1.0, spread) / deviation, values)


def check_deviation(layer: "BinaryLayer") -> None:
    """Raise `InputError` for a layer whose filters have no standard deviation."""
    if layer.synapses < 2:
        name = layer.shared.method.name
        raise InputError(f"Weights of a channel in a layer of method {name!r} must be 2 or more, not {layer.synapses}")


def mean_size(weights: Tensor) -> Tensor:
    """Return the mean of the absolute weights of each filter, (neurons,); it is the best scale of their signs.

    Source: XNOR-Net (Rastegari et al. 2016).
    """
    return weights.abs().flatten(1).mean(1)
