"""Binary layers for training: plain torch modules, whose signs and gradients are those of a method.

They have the values and gradients of Brevitas' layers (`quant.binarizers`), which replace them for evaluation and
export (`deployed`), and the same names and parameters.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quant.estimators import signs
from quant.methods._method import Clock, Method

__all__ = [
    "BinaryConv1d",
    "BinaryConv2d",
    "BinaryLayer",
    "BinaryLinear",
    "BinarySign",
    "Shared",
    "binary_layers",
    "shared_of",
]


@dataclass(eq=False)
class Shared:
    """What the binary layers of one network share: the method, the clock, and the method's classifier."""

    method: Method
    clock: Clock = field(default_factory=Clock)
    classifier: nn.Module | None = None

    def __post_init__(self) -> None:
        self.classifier = self.method.classifier()
        self.clock.set(self.method, 0.0, 0)


class BinaryLayer(nn.Module):
    """A layer whose weights are binary by a method; without a bias."""

    weight: Tensor
    shared: Shared

    def _adopt(self, shared: Shared) -> None:
        self.shared = shared
        shared.method.reset(self)
        for name, parameter in shared.method.parameters(self).items():
            self.register_parameter(name, parameter)

    @property
    def neurons(self) -> int:
        """Number of output channels."""
        return self.weight.shape[0]

    @property
    def synapses(self) -> int:
        """Number of weights of an output channel."""
        return self.weight[0].numel()

    def operate(self, inputs: Tensor, weight: Tensor) -> Tensor:
        """Return the layer's outputs with given weights."""
        raise NotImplementedError

    def scaled(self, outputs: Tensor, factors: Tensor) -> Tensor:
        """Return outputs times one factor per channel."""
        raise NotImplementedError

    def forward(self, inputs: Tensor) -> Tensor:
        return self.shared.method.apply(self, inputs)

    @torch.no_grad()
    def final(self) -> tuple[Tensor, Tensor | None]:
        """Return weights of -1 and +1, and the factors of the outputs, as at inference."""
        values = self.shared.method.latent(self)
        factors = self.shared.method.scale(self, values)
        return signs(values), None if factors is None else factors.clone()


class BinaryLinear(nn.Linear, BinaryLayer):
    """A dense layer with binary weights."""

    def __init__(self, synapses: int, neurons: int, *, shared: Shared) -> None:
        super().__init__(synapses, neurons, bias=False)
        self._adopt(shared)

    def operate(self, inputs: Tensor, weight: Tensor) -> Tensor:
        return F.linear(inputs, weight)

    def scaled(self, outputs: Tensor, factors: Tensor) -> Tensor:
        return outputs * factors

    forward = BinaryLayer.forward


class BinaryConv1d(nn.Conv1d, BinaryLayer):
    """A convolution over signals with binary weights; options are those of torch's."""

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        shared: Shared,
    ) -> None:
        super().__init__(channels, filters, kernel, stride, padding, dilation, groups, bias=False)
        self._adopt(shared)

    def operate(self, inputs: Tensor, weight: Tensor) -> Tensor:
        return F.conv1d(inputs, weight, None, self.stride, self.padding, self.dilation, self.groups)

    def scaled(self, outputs: Tensor, factors: Tensor) -> Tensor:
        return outputs * factors[:, None]

    forward = BinaryLayer.forward


class BinaryConv2d(nn.Conv2d, BinaryLayer):
    """A convolution over images with binary weights; options are those of torch's."""

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        shared: Shared,
    ) -> None:
        super().__init__(channels, filters, kernel, stride, padding, dilation, groups, bias=False)
        self._adopt(shared)

    def operate(self, inputs: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(inputs, weight, None, self.stride, self.padding, self.dilation, self.groups)

    def scaled(self, outputs: Tensor, factors: Tensor) -> Tensor:
        return outputs * factors[:, None, None]

    forward = BinaryLayer.forward


class BinarySign(nn.Module):
    """Activations of -1 and +1, of the inputs or of what the method has before: a function of one number for each
    channel, and the addition of a learned number.

    Parameters
    ----------
    channels : of the input's second axis; without, there is nothing before
    """

    threshold: nn.Parameter | None

    def __init__(self, channels: int | None = None, *, shared: Shared) -> None:
        super().__init__()
        self.shared = shared
        learned = shared.method.threshold and channels is not None
        self.register_parameter("threshold", nn.Parameter(torch.zeros(channels or 0)) if learned else None)
        self.before = None if channels is None else shared.method.before(channels)
        further = {} if channels is None else shared.method.sign_parameters(channels)
        for name, parameter in further.items():
            self.register_parameter(name, parameter)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.shared.method.activate(self, inputs)


def shared_of(network: nn.Module) -> Shared:
    """Return what the binary layers and signs of a network share; a method without effect if there are none."""
    found = (module.shared for module in network.modules() if isinstance(module, BinaryLayer | BinarySign))
    return next(found, None) or Shared(Method())


def binary_layers(network: nn.Module) -> list[BinaryLayer]:
    """Return the binary layers of a network in its order."""
    return [module for module in network.modules() if isinstance(module, BinaryLayer)]
