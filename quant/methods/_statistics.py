"""Statistics of weights for each filter, which methods have in common."""

from torch import Tensor

__all__ = ["centred", "mean_size", "per_filter"]


def per_filter(factors: Tensor, weights: Tensor) -> Tensor:
    """Return (neurons,) numbers in a shape that broadcasts with weights."""
    return factors.reshape(-1, *[1] * (weights.ndim - 1))


def centred(weights: Tensor) -> Tensor:
    """Return weights minus the mean of their filter."""
    return weights - per_filter(weights.flatten(1).mean(1), weights)


def mean_size(weights: Tensor) -> Tensor:
    """Return the mean of the absolute weights of each filter, (neurons,); it is the best scale of their signs.

    Source: XNOR-Net (Rastegari et al. 2016).
    """
    return weights.abs().flatten(1).mean(1)
