"""A task: targets, loss, metric."""

from abc import ABC, abstractmethod
from typing import Protocol

from torch import Tensor

from quant.figures import Figure

__all__ = ["Metric", "Task"]

Shape = tuple[int, ...]


class Metric(Protocol):
    """Gathers a figure over batches, as the metrics of torchmetrics do."""

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch."""

    def compute(self) -> Tensor:
        """Return the figure of all batches, a scalar."""


class Task(ABC):
    """What a network learns.

    Targets are those of `quant.datasets`, as tensors.

    Parameters
    ----------
    figure : what `metric` returns
    outputs : classes, key points or channels
    image : height and width of the images
    """

    def __init__(self, figure: Figure, outputs: int, image: tuple[int, int]) -> None:
        self.figure = figure
        self.outputs = outputs
        self.image = image

    @abstractmethod
    def shape_rule(self, targets: Shape) -> str:
        """Return what a network must return for a frame, for messages."""

    @abstractmethod
    def fits(self, found: Shape, targets: Shape) -> bool:
        """Return whether a network's result has the right shape.

        Parameters
        ----------
        found : shape of a result, without the frames
        targets : shape of a target, without the frames
        """

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, *, smoothing: float = 0.0) -> Tensor:
        """Return the loss of a batch, a scalar."""

    @abstractmethod
    def metric(self) -> Metric:
        """Return a new metric."""

    def mirrored(self, targets: Tensor, chosen: Tensor) -> Tensor:
        """Return the targets of images of which the chosen ones, (n,) bool, are mirrored left to right."""
        return targets

    def shifted(self, targets: Tensor, down: Tensor, right: Tensor, border: int) -> Tensor:
        """Return the targets of images that are shifted, as `quant.moving.shifted` does."""
        return targets

    def guess(self) -> float | None:
        """Return the loss of guessing, if that is known."""
        return None
