"""``xnorflow quantize``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow import InputError
from dataflow.writing import check_writable
from xnorflow.commands._options import Data, Json

if TYPE_CHECKING:
    from rich.table import Table

    from xnorflow.quantization import Quantization

__all__ = ["quantize"]


def quantize(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An ONNX file that takes pixel / 255.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="QUANTIZED.onnx", help="Where the result goes.")],
    dataset: Annotated[str, typer.Option(help="Data set: training images for the ranges, test images to compare.")],
    data: Data = None,
    frames: Annotated[int, typer.Option(help="Training images from which ranges are found.")] = 256,
    test_frames: Annotated[int, typer.Option(help="Test images on which predictions are compared.")] = 500,
    outputs: Annotated[
        str,
        typer.Option(help="What is to be made of the outputs, as of `xnorflow lower`: a kind, or NAME=KIND,NAME=KIND."),
    ] = "auto",
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

    The result is an ordinary QONNX file, which is lowered exactly. The command compares both models' predictions, for
    each output of the model.
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
            outputs=outputs,
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
    lowered = f"{output} can be lowered: {len(found.network.nodes)} nodes"
    if len(found.outputs) > 1:
        print_table(_outputs_table(found))
        say(_labels(found, dataset))
        say(lowered)
    else:
        say(_labels(found, dataset))
        say(f"{_changed(found)}; {lowered}")
    if json:
        print_json(found.to_json())


def _outputs_table(found: "Quantization") -> "Table":
    from xnorflow.console import table_of

    rows = [
        (
            each.name,
            each.kind,
            "-" if each.changed is None else each.changed,
            *("-" if share is None else f"{share:.2%}" for share in (each.accuracy_before, each.accuracy_after)),
            "-" if each.so_far is None else _decibels(each.so_far),
        )
        for each in found.outputs
    ]
    columns = ("output", "as", "changed predictions", "accuracy before", "after", "dB so far")
    return table_of(f"{len(rows)} outputs on {found.frames} test images", columns, rows)


def _labels(found: "Quantization", dataset: str) -> str:
    """Return what the labels of a data set say of the outputs."""
    first, *others = found.outputs
    name = f"output {first.name!r}" if others else "the model"
    if first.accuracy_before is None:
        return f"no accuracy: the labels of {dataset} are no answers of {name}" + (", the first" if others else "")
    accuracy = (
        f"accuracy {first.accuracy_before:.2%} before, {first.accuracy_after:.2%} after, "
        f"on {found.frames} test images of {dataset}"
    )
    return accuracy + (
        f", whose labels are taken for those of {name}, the first; the others have none" if others else ""
    )


def _changed(found: "Quantization") -> str:
    if found.changed is None:
        return f"a score {_decibels(found.outputs[0].so_far or 0.0)} dB above its change"
    return f"{found.changed} of {found.frames} predictions changed"


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
