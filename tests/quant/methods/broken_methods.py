"""Methods with one fault each, which their check must find."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from quant.methods import BinaryLayer, Clock, Method


@dataclass(frozen=True)
class Blurred(Method):
    """What follows a layer depends on other pixels."""

    def after(self, channels: int) -> nn.Module:
        return nn.AvgPool2d(3, 1, 1)


@dataclass(frozen=True)
class Positioned(Method):
    """What follows a layer is another function at another pixel."""

    def after(self, channels: int) -> nn.Module:
        return _Ramp()


class _Ramp(nn.Module):
    def forward(self, numbers: Tensor) -> Tensor:
        return numbers + torch.arange(numbers.shape[-1])


@dataclass(frozen=True)
class Halved(Method):
    """What follows a layer returns fewer numbers."""

    def after(self, channels: int) -> nn.Module:
        return nn.MaxPool2d(2)


@dataclass(frozen=True)
class Centred(Method):
    """Signs of numbers less the mean of their frame."""

    def binary_activation(self, values: Tensor, clock: Clock) -> Tensor:
        return super().binary_activation(
            values - values.flatten(1).mean(1).reshape(-1, *[1] * (values.ndim - 1)), clock
        )


@dataclass(frozen=True)
class Steep(Method):
    """Slopes that are infinite in the second half of the training."""

    def activation_slope(self, values: Tensor, clock: Clock) -> Tensor:
        return torch.ones_like(values) / (clock.progress < 0.5)


@dataclass(frozen=True)
class Stuck(Method):
    """No gradient for weights."""

    def weight_slope(self, values: Tensor, clock: Clock) -> Tensor:
        return torch.zeros_like(values)


@dataclass(frozen=True)
class Scaling(Method):
    """Outputs times the mean size of the inputs, which no constant is."""

    def apply(self, layer: BinaryLayer, inputs: Tensor) -> Tensor:
        return super().apply(layer, inputs + 0.5)


@dataclass(frozen=True)
class Scalar(Method):
    """One factor for all channels, in another shape than one for each."""

    def scale(self, layer: BinaryLayer, values: Tensor) -> Tensor:
        return values.abs().mean().reshape(1)


@dataclass(frozen=True)
class Undefined(Method):
    """Real-valued weights that are not numbers."""

    def latent(self, layer: BinaryLayer) -> Tensor:
        return layer.weight if layer.training else layer.weight / 0 * 0


@dataclass(frozen=True)
class Flat(Method):
    """Real-valued weights of another shape."""

    def latent(self, layer: BinaryLayer) -> Tensor:
        return layer.weight if layer.training else layer.weight[:1]


@dataclass(frozen=True)
class Faulty(Method):
    """Code that raises an error."""

    def weight_slope(self, values: Tensor, clock: Clock) -> Tensor:
        return values / clock.values["nothing"]


@dataclass(frozen=True)
class Unfinished(Method):
    """A constant without a default."""

    width: float


@dataclass(frozen=True)
class Listed(Method):
    """A rule for constants that raises an error."""

    width: float = 0.0

    def check(self) -> None:
        _ = 1 / self.width


class Undecorated(Method):
    """A class whose constants are not fields."""

    width: float = 1.0


NOT_A_CLASS: Any = Blurred()
