"""The class of each image."""

from math import log

import torch
from torch import Tensor
from torch.nn import functional as F

from quant.tasks._task import Metric, Shape, Task

__all__ = ["Classify"]


class Classify(Task):
    """Cross-entropy, and the share of the images whose largest score is that of their class."""

    def shape_rule(self, targets: Shape) -> str:
        return f"{self.outputs} scores for each frame"

    def fits(self, found: Shape, targets: Shape) -> bool:
        return found == (self.outputs,)

    def loss(self, outputs: Tensor, targets: Tensor, *, smoothing: float = 0.0) -> Tensor:
        return F.cross_entropy(outputs, targets, label_smoothing=smoothing)

    def metric(self) -> Metric:
        return _Accuracy()

    def guess(self) -> float:
        return log(self.outputs)


class _Accuracy:
    """Exact counts; at a tie the lowest class counts, as in hardware."""

    def __init__(self) -> None:
        self._hits = self._count = 0

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        self._hits += int((outputs.argmax(1) == targets).sum())
        self._count += len(targets)

    def compute(self) -> Tensor:
        return torch.tensor(self._hits / self._count, dtype=torch.float64)
