"""Rounding what is float in a model, on a data set, and what that changes."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dataflow import InputError, Network
from dataflow.writing import atomic_write
from xnorflow.answers import OutputChange, change_of, made_of

if TYPE_CHECKING:
    from quant.quantizing import Quantized, Settings

__all__ = ["OutputChange", "Quantization", "quantize_on"]

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
    frames : test images on which both models were compared
    outputs : what changed in each output of the model; labels are those of the first
    drifts : how far tensors of the quantized model are from those of the float one, in dB, by name
    """

    quantized: "Quantized"
    network: Network
    frames: int
    outputs: tuple[OutputChange, ...]
    drifts: dict[str, float] = field(default_factory=dict)

    @property
    def changed(self) -> int | None:
        """How many test images have another prediction of the first output; None if that is none."""
        return self.outputs[0].changed

    @property
    def accuracy_before(self) -> float | None:
        """Share of the test images that the float model classifies correctly; None without labels of its kind."""
        return self.outputs[0].accuracy_before

    @property
    def accuracy_after(self) -> float | None:
        """Share of the test images that the network classifies correctly; None without labels of its kind."""
        return self.outputs[0].accuracy_after

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
            "outputs": [each.to_json() for each in self.outputs],
        }


def quantize_on(
    dataset: str,
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    frames: int = 256,
    test_frames: int = 500,
    outputs: str = "auto",
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
    outputs : what is to be made of the model's outputs, see `quant.lowering.lower`
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
    from quant.quantizing.comparison import drift_of, middles_of, outputs_of
    from xnorflow.networks import model_path

    shown: Any = phases or _Silent()
    given = load_model(model_path(model))
    if len(mean) or len(std):
        given = normalized(given, list(mean) or [0.0], list(std) or [1.0])
    images, test, labels = _images(dataset, data, frames, test_frames)
    shown(f"ranges from {len(images)} images")
    found = quantize(given, images, settings, outputs=outputs, progress=shown.advance)
    shown("lowering")
    network = lower(found.model, outputs=outputs, name=Path(output).stem)
    shown("layers of both models")
    constants = {tensor.name for tensor in found.model.graph.initializer}
    tensors = [each.tensor for each in found.inserted if each.tensor not in constants]
    names = [each.name for each in given.graph.output]
    drifts = drift_of(given, found.model, images[:COMPARED], [*dict.fromkeys([*tensors, *names])])
    shown(f"predictions of {len(test)} test images")
    predicted = predict(network, test.reshape(len(test), *network.frame_shape))
    made = [predicted.heads.get(head.name, predicted) for head in network.every_head]
    kinds = [made_of(network, head) for head in network.every_head]
    before = outputs_of(given, test)
    both = "bits" in kinds or any(each.scores is not None and each.scores.ndim > 2 for each in made)
    after = outputs_of(found.model, test) if both else before
    middles = middles_of(given)
    with atomic_write(output, "Model") as part:
        onnx.save(found.model, part)
    changes = [
        change_of(
            name,
            kind,
            before[name],
            after[name],
            each,
            middle=middles[name],
            so_far=drifts[name],
            alone=name == names[0],
            labels=labels if name == names[0] else None,
        )
        for name, kind, each in zip(names, kinds, made, strict=True)
    ]
    return Quantization(found, network, len(test), tuple(changes), drifts)


def _images(
    dataset: str, data: str | os.PathLike[str] | None, frames: int, test_frames: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training images for the ranges, and test images with their labels."""
    from quant import datasets

    training, test = (datasets.load(dataset, split, data=data) for split in datasets.SPLITS)
    if frames > len(training):
        raise InputError(f"Frames must be at most the {len(training):,} training images of {dataset}, not {frames:,}")
    return training.images[:frames], test.images[:test_frames], test.labels[:test_frames]
