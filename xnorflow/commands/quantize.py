"""``xnorflow quantize``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow import InputError
from dataflow.writing import atomic_write, check_writable
from xnorflow.commands._options import Data, Json

if TYPE_CHECKING:
    import numpy as np

    from quant.quantizing import Quantized

__all__ = ["quantize"]

#: Calibration frames on which tensors of both models are compared.
COMPARED = 64


def quantize(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An ONNX file that takes pixel / 255.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="QUANTIZED.onnx", help="Where the result goes.")],
    dataset: Annotated[str, typer.Option(help="Data set: training images for the ranges, test images to compare.")],
    data: Data = None,
    frames: Annotated[int, typer.Option(help="Training images from which ranges are found.")] = 256,
    test_frames: Annotated[int, typer.Option(help="Test images on which predictions are compared.")] = 500,
    bits: Annotated[int, typer.Option(help="Bits of what layers and averages read.")] = 8,
    stream_bits: Annotated[int, typer.Option(help="Bits of what is added.")] = 8,
    weight_bits: Annotated[int, typer.Option(help="Bits of weights.")] = 8,
    how: Annotated[
        str,
        typer.Option("--range", help="Ends of a range: error (least squared error), percentile (99.99), or max."),
    ] = "error",
    mean: Annotated[
        str, typer.Option(metavar="R,G,B", help="Mean that the training subtracted from pixel / 255; is put in.")
    ] = "",
    std: Annotated[str, typer.Option(metavar="R,G,B", help="Deviation by which the training divided; is put in.")] = "",
    json: Json = False,
) -> None:
    """Insert Quant nodes where lowering needs them: for float stems, shortcuts and classifiers.

    The result is an ordinary QONNX file, which is lowered exactly. The command compares both models' predictions.
    """
    import onnx

    from quant.lowering import lower
    from quant.lowering.reading.model_file import load_model
    from quant.quantizing import Settings, normalized
    from quant.quantizing import quantize as run
    from quant.quantizing.comparison import drift_of, scores_of
    from xnorflow.console import Phases, print_json, print_table, say, table_of
    from xnorflow.networks import model_path

    check_writable(output, "Model", ".onnx")
    settings = Settings(bits, stream_bits, weight_bits, how)
    if test_frames < 1:
        raise InputError(f"Test frames must be at least 1, not {test_frames}")
    given = load_model(model_path(model))
    if mean or std:
        given = normalized(given, _numbers("mean", mean or "0"), _numbers("std", std or "1"))
    images, test, labels = _images(dataset, data, frames, test_frames)
    with Phases() as phases:
        phases(f"ranges from {len(images)} images")
        found = run(given, images, settings, progress=phases.advance)
        phases("lowering")
        network = lower(found.model, name=output.stem)
        phases("layers of both models")
        activations = [each.tensor for each in found.inserted if each.tensor not in _constants(found.model)]
        drifts = drift_of(given, found.model, images[:COMPARED], activations)
        phases(f"predictions of {len(test)} test images")
        before = scores_of(given, test)
        from hwsim import predict

        after = predict(network, test.reshape(len(test), *network.frame_shape))
    with atomic_write(output, "Model") as part:
        onnx.save(found.model, part)
    result = _result(found, drifts, before, after.predictions, after.scores, labels)
    rows = [
        (
            each.tensor,
            each.reason,
            f"{'' if each.signed else 'u'}{each.bits}",
            f"{each.scale:.4g}",
            f"{each.clipped:.2%}",
            _decibels(each.signal_to_noise),
            _decibels(drifts[each.tensor]) if each.tensor in drifts else "",
        )
        for each in found.inserted
    ]
    columns = ("tensor", "why", "bits", "scale", "clipped", "dB here", "dB so far")
    print_table(table_of(f"{len(rows)} Quant nodes in {output}", columns, rows))
    if result["accuracy_before"] is not None:
        say(
            f"accuracy {result['accuracy_before']:.2%} before, {result['accuracy_after']:.2%} after, "
            f"on {len(test)} test images of {dataset}"
        )
    say(f"{result['changed']} of {len(test)} predictions changed; {output} can be lowered: {len(network.nodes)} nodes")
    if json:
        print_json(result)


def _images(
    dataset: str, data: Path | None, frames: int, test_frames: int
) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Return training images for the ranges, and test images with their labels."""
    from quant import datasets

    training, test = (datasets.load(dataset, split, data=data) for split in datasets.SPLITS)
    if frames > len(training):
        raise InputError(f"Frames must be at most the {len(training):,} training images of {dataset}, not {frames:,}")
    return training.images[:frames], test.images[:test_frames], test.labels[:test_frames]


def _numbers(name: str, text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{name} must be numbers separated by commas, not {text!r}") from error
    if name == "std" and not all(value > 0 for value in values):
        raise InputError(f"std must be numbers above 0, not {text!r}")
    return values


def _constants(model: Any) -> set[str]:
    return {tensor.name for tensor in model.graph.initializer}


def _result(
    found: "Quantized",
    drifts: dict[str, float],
    before: "np.ndarray",
    predictions: "np.ndarray",
    scores: "np.ndarray | None",
    labels: "np.ndarray",
) -> dict[str, Any]:
    """Return what was inserted and what it changed; classes are those of the largest scores, bits those above 0."""
    classes = before.argmax(1) if predictions.ndim == 1 else (before >= 0).astype(int)
    comparable = labels.shape == classes.shape
    inserted = [{**each.to_json(), "so_far": min(drifts.get(each.tensor, 999.0), 999.0)} for each in found.inserted]
    changed = (classes != predictions).reshape(len(classes), -1).any(1)
    return {
        "inserted": inserted,
        "frames": len(classes),
        "changed": int(changed.sum()),
        "accuracy_before": float((classes == labels).mean()) if comparable else None,
        "accuracy_after": float((predictions == labels).mean()) if comparable else None,
    }


def _decibels(value: float) -> str:
    return "exact" if value > 900 else f"{value:.1f}"
