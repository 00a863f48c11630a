"""``xnorflow quantize``."""

from pathlib import Path
from typing import Annotated

import typer

from dataflow import InputError
from dataflow.writing import check_writable
from xnorflow.commands._options import Data, Json

__all__ = ["quantize"]


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
    from quant.quantizing import Settings
    from xnorflow.console import Phases, print_json, print_table, say, table_of
    from xnorflow.quantization import quantize_on

    check_writable(output, "Model", ".onnx")
    if test_frames < 1:
        raise InputError(f"Test frames must be at least 1, not {test_frames}")
    with Phases() as phases:
        found = quantize_on(
            dataset,
            model,
            output,
            data=data,
            frames=frames,
            test_frames=test_frames,
            settings=Settings(bits, stream_bits, weight_bits, how),
            mean=_numbers("mean", mean),
            std=_numbers("std", std),
            phases=phases,
        )
    rows = [
        (
            each.tensor,
            each.reason,
            f"{'' if each.signed else 'u'}{each.bits}",
            f"{each.scale:.4g}",
            f"{each.clipped:.2%}",
            _decibels(each.signal_to_noise),
            _decibels(found.drifts[each.tensor]) if each.tensor in found.drifts else "",
        )
        for each in found.quantized.inserted
    ]
    columns = ("tensor", "why", "bits", "scale", "clipped", "dB here", "dB so far")
    print_table(table_of(f"{len(rows)} Quant nodes in {output}", columns, rows))
    if found.accuracy_before is not None:
        say(
            f"accuracy {found.accuracy_before:.2%} before, {found.accuracy_after:.2%} after, "
            f"on {found.frames} test images of {dataset}"
        )
    nodes = len(found.network.nodes)
    say(f"{found.changed} of {found.frames} predictions changed; {output} can be lowered: {nodes} nodes")
    if json:
        print_json(found.to_json())


def _numbers(name: str, text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")] if text else []
    except ValueError as error:
        raise InputError(f"{name} must be numbers separated by commas, not {text!r}") from error
    if name == "std" and not all(value > 0 for value in values):
        raise InputError(f"std must be numbers above 0, not {text!r}")
    return values


def _decibels(value: float) -> str:
    return "exact" if value > 900 else f"{value:.1f}"
