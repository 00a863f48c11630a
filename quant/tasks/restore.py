"""The image as it should be: without noise, or larger."""

from torch import Tensor
from torch.nn import functional as F
from torchmetrics.image import PeakSignalNoiseRatio

from quant.moving import mirrored, shifted
from quant.tasks._task import Metric, Shape, Task

__all__ = ["Restore"]


class Restore(Task):
    """Mean absolute error of pixels from 0 to 1, and the mean of the images' peak signal-to-noise ratios.

    A network returns (channels, height, width), which are pixels of 0 to 1.
    """

    def shape_rule(self, targets: Shape) -> str:
        height, width, channels = targets
        return f"{channels} channels of {height} x {width} pixels"

    def fits(self, found: Shape, targets: Shape) -> bool:
        height, width, channels = targets
        return found == (channels, height, width)

    def loss(self, outputs: Tensor, targets: Tensor, *, smoothing: float = 0.0) -> Tensor:
        return F.l1_loss(outputs, _pixels(targets))

    def metric(self) -> Metric:
        return _Psnr()

    def mirrored(self, targets: Tensor, chosen: Tensor) -> Tensor:
        return mirrored(targets.permute(0, 3, 1, 2), chosen).permute(0, 2, 3, 1)

    def shifted(self, targets: Tensor, down: Tensor, right: Tensor, border: int) -> Tensor:
        factor = targets.shape[1] // self.image[0]
        images = targets.permute(0, 3, 1, 2)
        return shifted(images, down * factor, right * factor, border * factor).permute(0, 2, 3, 1)


class _Psnr(PeakSignalNoiseRatio):
    def __init__(self) -> None:
        super().__init__(data_range=(0.0, 1.0), reduction="elementwise_mean", dim=(1, 2, 3))

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        super().update(outputs.float(), _pixels(targets))


def _pixels(targets: Tensor) -> Tensor:
    return targets.permute(0, 3, 1, 2).float() / 255
