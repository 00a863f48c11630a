"""The class of each position."""

from math import log

from torch import Tensor
from torch.nn import functional as F
from torchmetrics.classification import MulticlassJaccardIndex

from quant.datasets import IGNORED
from quant.moving import mirrored, shifted
from quant.tasks._task import Metric, Shape, Task

__all__ = ["Segment"]


class Segment(Task):
    """Cross-entropy of the positions, and the mean over classes of intersection over union (Jaccard index)."""

    def shape_rule(self, targets: Shape) -> str:
        return f"{self.outputs} scores at each of {' x '.join(map(str, targets))} positions"

    def fits(self, found: Shape, targets: Shape) -> bool:
        return found == (self.outputs, *targets)

    def loss(self, outputs: Tensor, targets: Tensor, *, smoothing: float = 0.0) -> Tensor:
        return F.cross_entropy(outputs, targets.long(), ignore_index=IGNORED, label_smoothing=smoothing)

    def metric(self) -> Metric:
        return _MeanIou(self.outputs)

    def mirrored(self, targets: Tensor, chosen: Tensor) -> Tensor:
        return mirrored(targets[:, None], chosen)[:, 0]

    def shifted(self, targets: Tensor, down: Tensor, right: Tensor, border: int) -> Tensor:
        return shifted(targets[:, None], down, right, border, fill=IGNORED)[:, 0]

    def guess(self) -> float:
        return log(self.outputs)


class _MeanIou(MulticlassJaccardIndex):
    def __init__(self, classes: int) -> None:
        super().__init__(max(2, classes), ignore_index=IGNORED)

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        super().update(outputs.argmax(1), targets.long())
