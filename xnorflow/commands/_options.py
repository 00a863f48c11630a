"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from xnorflow.commands import _completion

__all__ = ["BuildFolder", "ClockMhz", "Data", "DataSet", "FrameCount", "InputArray", "Json", "NetworkName"]

NetworkName = Annotated[
    str,
    typer.Argument(
        metavar="NET",
        help="An .xnf file, an ONNX model, or a name of the zoo.",
        autocompletion=_completion.networks,
    ),
]


def _as_json(chosen: bool) -> bool:
    from xnorflow.console import show_results

    show_results(not chosen)
    return chosen


Json = Annotated[
    bool,
    typer.Option("--json", callback=_as_json, help="Print one JSON object on standard output, and no tables."),
]
DataSet = Annotated[str | None, typer.Option("--dataset", help="Data set whose test split is used, such as mnist.")]
InputArray = Annotated[
    Path | None,
    typer.Option(
        "--input",
        metavar="FILE.npy",
        help="Frames in an .npy file: (frames, height, width, channels) or (frames, features), pixels of 0 to 255. "
        "Channels first and floats k/255 are converted.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", envvar="XNORFLOW_DATA", help="Folder with one folder per data set."),
]
FrameCount = Annotated[int | None, typer.Option("--frames", help="How many frames.")]
ClockMhz = Annotated[
    float | None,
    typer.Option(help="Clock in MHz for printed times; the default is 100, marked as assumed.", show_default=False),
]
BuildFolder = Annotated[
    Path | None,
    typer.Option("--build", metavar="DIR", help="Folder of this network's bitstream; its clock is used."),
]
