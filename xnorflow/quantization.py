"""Rounding what is float in a model, on a data set, and what that changes."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dataflow import InputError, Network
from dataflow.writing import atomic_write

if TYPE_CHECKING:
    from hwsim import Prediction
    from quant.quantizing import Quantized, Settings

__all__ = ["Quantization", "quantize_on"]

#: Calibration frames on which tensors of both models are compared.
COMPARED = 64


class Phases(Protocol):
    """Shows a phase by its name, and how much of it is done."""

    def __call__(self, name: str) -> object:
        """Begin a phase."""

    def advance(self, share: float) -> object:
        """Say how much of the phase is done, 0 to 1."""


class _Silent:
    def __call__(self, name: str) -> None: ...

    def advance(self, share: float) -> None: ...


@dataclass(frozen=True)
class Quantization:
    """A model with Quant nodes, and what they changed.

    Parameters
    ----------
    quantized : the model and its new nodes
    network : what it is lowered to
    frames : test images whose predictions were compared
    changed : how many of them have another prediction
    accuracy_before, accuracy_after : shares of the test images that are classified correctly; None if the labels are of
        another kind than the predictions
    drifts : how far tensors of the quantized model are from those of the float one, in dB, by name
    """

    quantized: "Quantized"
    network: Network
    frames: int
    changed: int
    accuracy_before: float | None
    accuracy_after: float | None
    drifts: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the new nodes and what they changed as values of JSON."""
        nodes = [
            {**each.to_json(), "so_far": min(self.drifts.get(each.tensor, 999.0), 999.0)}
            for each in self.quantized.inserted
        ]
        return {
            "inserted": nodes,
            "frames": self.frames,
            "changed": self.changed,
            "accuracy_before": self.accuracy_before,
            "accuracy_after": self.accuracy_after,
        }


def quantize_on(
    dataset: str,
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    frames: int = 256,
    test_frames: int = 500,
    settings: "Settings | None" = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    phases: Phases | Callable[[str], object] | None = None,
) -> Quantization:
    """Insert Quant nodes where lowering needs them, write the model, and compare both on test images.

    Parameters
    ----------
    dataset : training images for the ranges, test images to compare
    model : an ONNX file that takes pixel / 255, a folder with ``model.onnx``, or a name of the zoo
    output : the QONNX file to write
    data : folder of data sets
    frames, test_frames : numbers of images
    settings : widths and ranges
    mean, std : what the training subtracted from pixel / 255 and by which it divided; is put into the model

    Raises
    ------
    InputError
        As of `quant.quantizing.quantize`; or the result cannot be lowered, an image is missing, or the file cannot be
        written.
    """
    import onnx

    from hwsim import predict
    from quant.lowering import lower
    from quant.lowering.reading.model_file import load_model
    from quant.quantizing import normalized, quantize
    from quant.quantizing.comparison import drift_of, scores_of
    from xnorflow.networks import model_path

    shown: Any = phases or _Silent()
    given = load_model(model_path(model))
    if len(mean) or len(std):
        given = normalized(given, list(mean) or [0.0], list(std) or [1.0])
    images, test, labels = _images(dataset, data, frames, test_frames)
    shown(f"ranges from {len(images)} images")
    found = quantize(given, images, settings, progress=shown.advance)
    shown("lowering")
    network = lower(found.model, name=Path(output).stem)
    shown("layers of both models")
    constants = {tensor.name for tensor in found.model.graph.initializer}
    tensors = [each.tensor for each in found.inserted if each.tensor not in constants]
    drifts = drift_of(given, found.model, images[:COMPARED], tensors)
    shown(f"predictions of {len(test)} test images")
    before = scores_of(given, test)
    predicted = predict(network, test.reshape(len(test), *network.frame_shape))
    after = predicted.predictions
    with atomic_write(output, "Model") as part:
        onnx.save(found.model, part)
    classes = _answers(before, network, predicted)
    comparable = labels.shape == classes.shape
    return Quantization(
        found,
        network,
        len(test),
        int((classes != after).reshape(len(classes), -1).any(1).sum()),
        float((classes == labels).mean()) if comparable else None,
        float((after == labels).mean()) if comparable else None,
        drifts,
    )


def _answers(scores: np.ndarray, network: Network, like: "Prediction") -> np.ndarray:
    """Return what a model's scores answer, as the predictions of the network that was made of it are.

    Parameters
    ----------
    scores : (frames, numbers), the model's outputs; those of several positions channels first
    """
    if network.bits is not None:
        return (scores >= 0).astype(np.int64).reshape(like.predictions.shape)
    assert like.scores is not None
    if like.scores.shape[-1] > 1 and scores.size == like.predictions.size:
        return scores.astype(np.int64).reshape(like.predictions.shape)  # the model has chosen itself
    if like.scores.ndim == 2:
        return np.asarray(scores.argmax(1))
    frames, height, width, channels = like.scores.shape
    planes = scores.reshape(frames, channels, height * width)
    if like.predictions.ndim == 2:
        return np.asarray(planes.argmax(2))
    return planes.argmax(1).reshape(frames, height, width)


def _images(
    dataset: str, data: str | os.PathLike[str] | None, frames: int, test_frames: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training images for the ranges, and test images with their labels."""
    from quant import datasets

    training, test = (datasets.load(dataset, split, data=data) for split in datasets.SPLITS)
    if frames > len(training):
        raise InputError(f"Frames must be at most the {len(training):,} training images of {dataset}, not {frames:,}")
    return training.images[:frames], test.images[:test_frames], test.labels[:test_frames]
