"""A copy of a network in which the signs of activations are observed, and can be replaced by smooth functions."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quant.methods import BinaryLayer, BinarySign, Clock, shared_of

__all__ = ["Observer", "fixed_random", "named_layers", "smoothed"]

#: Half of the width of the interval in which a smooth function is tabulated, and points in 1.
_REACH, _POINTS = 8, 256

#: A method's `binary_activation`.
Sign = Callable[[Tensor, Clock], Tensor]


def named_layers(network: nn.Module) -> dict[str, BinaryLayer]:
    """Return the binary layers of a network by name."""
    return {name: module for name, module in network.named_modules() if isinstance(module, BinaryLayer)}


class Observer:
    """A copy of a network, which notes what its signs of activations do.

    Nothing that happens to the copy changes the network: no statistics of normalizations, gradients or clock.

    Attributes
    ----------
    network : the copy; its method's `binary_activation` is that of this object
    learned : names of the signs that pass a gradient, which those of the pixels do not
    stopped : elements of each sign outside the estimator's window, and all of them
    seen : for each sign, which channels were ever +1 and which ever -1
    smooth : whether signs are replaced by the function whose slope the estimator is
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network)
        self.learned: dict[str, None] = {}
        self.stopped: dict[str, tuple[int, int]] = {}
        self.seen: dict[str, tuple[Tensor, Tensor]] = {}
        self.smooth = False
        self._name = ""
        method = shared_of(self.network).method
        self._sign = method.binary_activation
        object.__setattr__(method, "binary_activation", self._observed)  # methods are frozen; this one is a copy
        for name, module in self.network.named_modules():
            if isinstance(module, BinarySign):
                module.register_forward_pre_hook(self._enter(name))

    def _observed(self, values: Tensor, clock: Clock) -> Tensor:
        """Return the signs of `values`, or the smooth function, with the method's gradient."""
        result = self._sign(values, clock)
        if not torch.is_grad_enabled():
            self._note_signs(result)
        elif values.requires_grad and self.smooth:
            return result + (smoothed(self._sign, clock, values) - result).detach()
        elif values.requires_grad:
            self._note_window(values, clock)
        return result

    def _enter(self, name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            self._name = name
            if inputs[0].requires_grad:
                self.learned[name] = None

        return hook

    def _note_signs(self, signs: Tensor) -> None:
        others = [axis for axis in range(signs.ndim) if axis != 1]
        plus, minus = (signs > 0).sum(others) > 0, (signs < 0).sum(others) > 0
        before = self.seen.get(self._name)
        self.seen[self._name] = (plus, minus) if before is None else (plus | before[0], minus | before[1])

    def _note_window(self, values: Tensor, clock: Clock) -> None:
        slope = _slope(self._sign, clock, values)
        stopped, total = self.stopped.get(self._name, (0, 0))
        self.stopped[self._name] = stopped + int((slope == 0).sum()), total + slope.numel()


def smoothed(sign: Sign, clock: Clock, values: Tensor) -> Tensor:
    """Return the function whose slope is the gradient of `sign`, 0 at 0, without a gradient.

    It is tabulated between -8 and +8 and constant beyond.
    """
    points = torch.linspace(-_REACH, _REACH, 2 * _REACH * _POINTS + 1, device=values.device, dtype=values.dtype)
    slope = _slope(sign, clock, points)
    table = F.pad(torch.cumulative_trapezoid(slope.cpu(), points.cpu()), (1, 0)).to(values.device)  # CUDA's may vary
    table = table - table[_REACH * _POINTS]
    place = (values.detach().clamp(-_REACH, _REACH) + _REACH) * _POINTS
    below = place.floor().clamp_max(2 * _REACH * _POINTS - 1)
    index = below.long()
    return torch.lerp(table[index], table[index + 1], place - below)


def _slope(sign: Sign, clock: Clock, values: Tensor) -> Tensor:
    """Return the gradient of `sign` at `values`."""
    with torch.enable_grad():
        probe = values.detach().requires_grad_()
        (slope,) = torch.autograd.grad(sign(probe, clock).sum(), probe)
    return slope


@contextmanager
def fixed_random(device: torch.device) -> Iterator[None]:
    """Draw the same random numbers each time, such as those of a dropout, and leave the training's alone."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield
