"""The sign, with a chosen factor for its gradient: sign(0) = +1 everywhere."""

from typing import Any

import torch
from torch import Tensor

__all__ = ["BEYOND_ONE", "clipped", "identity", "polynomial", "sign_clipped", "sign_with", "signs"]

#: The next float32 after 1. A hard tanh stops the gradient at its bounds, the straight-through estimator only beyond.
BEYOND_ONE = 1.0 + 2.0**-23


def signs(values: Tensor) -> Tensor:
    """Return -1 below 0 and +1 from 0 on, without a gradient."""
    if torch.compiler.is_compiling():  # one pass anyway, and the compiler knows no output of another layout
        return torch.ge(values, 0).to(values.dtype) * 2 - 1
    return torch.ge(values, 0, out=torch.empty_like(values)).mul_(2).sub_(1)


def clipped(values: Tensor) -> Tensor:
    """Return the slope of a hard tanh, with its bounds: ``1[abs(x) <= 1]``."""
    return (values.abs() <= 1).to(values.dtype)


def identity(values: Tensor) -> Tensor:
    """Return 1."""
    return torch.ones_like(values)


def polynomial(values: Tensor) -> Tensor:
    """Return ``max(0, 2 - 2 abs(x))``, the slope of the piecewise polynomial of Bi-Real Net (Liu, Wu et al. 2018)."""
    return (2 - 2 * values.abs()).clamp_min(0)


class _Clipped(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        context.save_for_backward(values)
        return signs(values)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (values,) = context.saved_tensors
        beyond = 1.0 + torch.finfo(values.dtype).eps
        return torch.ops.aten.hardtanh_backward(gradient, values, -beyond, beyond)


class _WithSlope(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor, slope: Tensor) -> Tensor:
        context.save_for_backward(slope)
        return signs(values)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (slope,) = context.saved_tensors
        return gradient * slope, None


def sign_clipped(values: Tensor) -> Tensor:
    """Return the sign with the slope `clipped`, in three passes over memory."""
    result: Tensor = _Clipped.apply(values)
    return result


def sign_with(values: Tensor, slope: Tensor) -> Tensor:
    """Return the sign of `values`, whose gradient is that of the result times `slope`, of the same shape."""
    result: Tensor = _WithSlope.apply(values, slope.detach())
    return result
