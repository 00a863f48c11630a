"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Data", "DataSet", "FrameCount", "InputArray", "Json", "NetworkName"]

NetworkName = Annotated[str, typer.Argument(metavar="NET", help="An .xnf file, an ONNX model, or a name of the zoo.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
DataSet = Annotated[str | None, typer.Option("--dataset", help="Data set whose test split is used, such as mnist.")]
InputArray = Annotated[Path | None, typer.Option("--input", help="Frames in an .npy file.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", envvar="XNORFLOW_DATA", help="Folder with one folder per data set."),
]
FrameCount = Annotated[int | None, typer.Option("--frames", help="How many frames.")]
