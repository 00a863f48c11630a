"""What a binarization method consists of: a transformation of weights, two estimators, and what is trained with them.

Forward, every method takes signs. What is left of it in hardware is a constant for each channel, or a function of one
number for each channel; so lowering needs no knowledge of methods.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from dataflow import InputError
from quant.estimators import clipped, sign_clipped, sign_with

if TYPE_CHECKING:
    from quant.methods._layers import BinaryLayer, BinarySign

__all__ = ["Clock", "Method", "Stage"]


@dataclass(frozen=True)
class Stage:
    """A part of a training.

    Parameters
    ----------
    name : for the progress and the log
    share : fraction of all epochs, 0 to 1; those of all stages add up to 1
    rate : factor of the recipe's learning rate
    decay : factor of the recipe's weight decay
    weights : whether weights are binary; otherwise they are what the method's `latent` returns
    """

    name: str
    share: float
    rate: float = 1.0
    decay: float = 1.0
    weights: bool = True


class Clock:
    """Where a training stands. All layers of a network share one.

    Attributes
    ----------
    stage : index of the method's stage, int
    progress : of the whole training, 0 to 1, a scalar tensor
    values : scalar tensors of the method's `schedule`, by name
    run : which run over the network of a step this is, from 0; methods with several set it (`Method.loss`)
    """

    def __init__(self) -> None:
        self.stage = 0
        self.run = 0
        self.progress = torch.zeros(())
        self.values: dict[str, Tensor] = {}

    def move(self, device: torch.device) -> None:
        """Move the tensors to a device."""
        self.progress = self.progress.to(device)
        self.values = {name: value.to(device) for name, value in self.values.items()}

    def set(self, method: "Method", progress: float, stage: int) -> None:
        """Move to a part of the training, 0 to 1; tensors keep their identity, so a captured step reads new numbers."""
        self.stage = stage
        self.progress.fill_(progress)
        for name, value in method.schedule(progress).items():
            self.values.setdefault(name, torch.zeros_like(self.progress)).fill_(value)


@dataclass(frozen=True)
class Method:
    """A binarization method: the constants are its fields. Own methods derive from it.

    As it stands, it is the straight-through estimator with torch's initial weights. A method replaces what differs.

    `title` and `source` are for people, `residue` says what is left of it at inference, apart from signs.
    """

    title: ClassVar[str] = ""
    source: ClassVar[str] = ""
    residue: ClassVar[str] = "nothing"

    def check(self) -> None:
        """Raise `InputError` where a constant is out of range; called for each new method."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not isfinite(value):
                raise InputError(f"{field.name} of method {self.name!r} must be a finite number, not {value!r}")
        self.check()

    def require(self, name: str, fulfilled: bool, rule: str) -> None:
        """Raise `InputError` unless a rule for a constant is fulfilled."""
        if not fulfilled:
            raise InputError(f"{name} of method {self.name!r} must be {rule}, not {getattr(self, name)!r}")

    @property
    def name(self) -> str:
        """The name of the class in lower case."""
        return type(self).__name__.lower()

    def to_dict(self) -> dict[str, Any]:
        """Return the constants as values for TOML and JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    # Weights

    def reset(self, layer: "BinaryLayer") -> None:
        """Give a layer its initial weights, and constants that depend on them; as it stands, torch's."""

    def latent(self, layer: "BinaryLayer") -> Tensor:
        """Return the real-valued weights whose signs are taken, of the shape of ``layer.weight``."""
        return layer.weight

    def weight_slope(self, values: Tensor, clock: Clock) -> Tensor:
        """Return the factor of the gradient of signs of weights, of the shape of `values`."""
        return clipped(values)

    def binary_weight(self, layer: "BinaryLayer", values: Tensor) -> Tensor:
        """Return the signs of `values`, with their gradient."""
        clock = layer.shared.clock
        if type(self).weight_slope is Method.weight_slope:
            return sign_clipped(values)
        return sign_with(values, self.weight_slope(values, clock))

    def parameters(self, layer: "BinaryLayer") -> dict[str, nn.Parameter]:
        """Return further parameters of a layer by name, such as learned scales; created before the optimizer."""
        return {}

    def scale(self, layer: "BinaryLayer", values: Tensor) -> Tensor | None:
        """Return the factors of a layer's outputs, (neurons,), from the real-valued weights; None for 1."""
        return None

    def is_real(self, layer: "BinaryLayer") -> bool:
        """Return whether a layer is trained with real weights in this stage."""
        return layer.training and not self.stages()[layer.shared.clock.stage].weights

    def apply(self, layer: "BinaryLayer", inputs: Tensor) -> Tensor:
        """Return the layer's outputs."""
        values = self.latent(layer)
        weight = values if self.is_real(layer) else self.binary_weight(layer, values)
        outputs = layer.operate(inputs, weight)
        factors = self.scale(layer, values)
        return outputs if factors is None else layer.scaled(outputs, factors)

    # Activations

    threshold: ClassVar[bool] = False  #: whether a learned number per channel is added before the sign
    offset: ClassVar[float] = 0.0  #: the number from which on an activation is the upper one
    levels: ClassVar[tuple[float, float]] = (-1.0, 1.0)  #: the two activations

    def before(self, channels: int) -> nn.Module | None:
        """Return what stands before each sign: a function of one number for each channel, or None."""
        return None

    def sign_parameters(self, channels: int) -> dict[str, nn.Parameter]:
        """Return further parameters of a sign by name, which only training uses; created before the optimizer."""
        return {}

    def activate(self, sign: "BinarySign", inputs: Tensor) -> Tensor:
        """Return the activations of a sign's inputs."""
        if sign.before is not None:
            inputs = sign.before(inputs)
        if sign.threshold is not None:
            inputs = inputs + sign.threshold.reshape(-1, *[1] * (inputs.ndim - 2))
        trained = self.trained_activation(inputs, sign.shared.clock) if sign.training else None
        if trained is not None:
            return trained
        if self.offset:
            inputs = inputs - self.offset
        if sign.training:
            inputs = self.activation(inputs)
        outputs = self.binary_activation(inputs, sign.shared.clock)
        low, high = self.levels
        return outputs if (low, high) == (-1.0, 1.0) else outputs * ((high - low) / 2) + (high + low) / 2

    def trained_activation(self, inputs: Tensor, clock: Clock) -> Tensor | None:
        """Return activations of a stage of the training that has more than two; None for signs."""
        return None

    def activation(self, inputs: Tensor) -> Tensor:
        """Return what stands before the sign in training; it may change numbers, but no sign."""
        return inputs

    def activation_slope(self, values: Tensor, clock: Clock) -> Tensor:
        """Return the factor of the gradient of signs of activations, of the shape of `values`."""
        return clipped(values)

    def binary_activation(self, values: Tensor, clock: Clock) -> Tensor:
        """Return the signs of `values`, with their gradient."""
        if type(self).activation_slope is Method.activation_slope:
            return sign_clipped(values)
        return sign_with(values, self.activation_slope(values, clock))

    def after(self, channels: int) -> nn.Module | None:
        """Return what follows the normalization of a layer: a function of one number for each channel, or None."""
        return None

    # Training

    def prepare(self, network: nn.Module) -> None:
        """Change a new network in place, such as its normalizations."""

    def loss(
        self, network: nn.Module, images: Tensor, labels: Tensor, criterion: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """Return the loss of a batch, a scalar.

        Parameters
        ----------
        criterion : the loss of scores and labels, a scalar
        """
        return criterion(network(images), labels)

    def classifier(self) -> nn.Module | None:
        """Return a module that all layers of a network share, or None."""
        return None

    def stages(self) -> tuple[Stage, ...]:
        """Return the parts of a training in their order."""
        return (Stage("train", 1.0),)

    def first_epochs(self, epochs: int) -> list[int]:
        """Return the first epoch of each stage, from 0, in a training of so many epochs.

        The last stage has at least one.
        """
        starts, end = [], 0.0
        for stage in self.stages():
            starts.append(min(round(end * epochs), epochs - 1))
            end += stage.share
        return starts

    def schedule(self, progress: float) -> dict[str, float]:
        """Return the numbers that change in training, by name; the clock has them as scalar tensors."""
        return {}

    def penalty(self, layers: "list[BinaryLayer]") -> Tensor | None:
        """Return what is added to the loss, a scalar, or None."""
        return None

    def after_step(self, layer: "BinaryLayer") -> None:
        """Change a layer's weights in place after an optimizer's step, such as clip them; called without gradients."""
