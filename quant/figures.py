"""The figures by which networks are judged. No training package is imported."""

from dataclasses import dataclass

__all__ = ["FIGURES", "Figure"]


@dataclass(frozen=True)
class Figure:
    """A figure, of which more is better.

    Parameters
    ----------
    key : in metrics, after ``training_`` or ``validation_`` also in the history
    title : its name
    unit : "%" for fractions, which are shown as such
    about : what it says of images, for "0.9 of 100 images"
    """

    key: str
    title: str
    unit: str
    about: str

    def text(self, value: float) -> str:
        """Return a value as people read it."""
        return f"{value:.2%}" if self.unit == "%" else f"{value:.2f} {self.unit}"


#: Figures by task.
FIGURES = {
    "classify": Figure("accuracy", "accuracy", "%", "are classified correctly"),
    "segment": Figure("mean_iou", "mean IoU", "%", "mean over classes of intersection over union"),
    "keypoints": Figure("average_precision", "average precision", "%", "mean over similarities of 0.5 to 0.95 (COCO)"),
    "restore": Figure("psnr", "PSNR", "dB", "mean of the images' peak signal-to-noise ratios"),
}
