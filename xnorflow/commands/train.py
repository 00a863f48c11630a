"""``xnorflow train``."""

from pathlib import Path
from typing import Annotated

import typer

from xnorflow.commands import _completion
from xnorflow.commands._options import Data, Json

__all__ = ["train"]


def train(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE", help="A recipe's name, or a TOML file.", autocompletion=_completion.recipes),
    ],
    data: Data = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs, instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, instead of the recipe's.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another value of the recipe; options.KEY for the method's."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", "--out", metavar="DIR", help="Folder for the results; the default is runs/RECIPE."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Continue from the last checkpoint in the folder.")] = False,
    init: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Another training's folder or checkpoint, with whose weights it starts."),
    ] = None,
    download: Annotated[bool, typer.Option(help="Download the data set's files if they are missing.")] = False,
    lower_check: Annotated[
        bool, typer.Option(help="Lower a network or a method of your own before its training.")
    ] = True,
    accelerator: Annotated[str, typer.Option(help="cpu, gpu, or auto for a GPU if there is one.")] = "auto",
    devices: Annotated[int, typer.Option(help="GPUs, or processes, of each machine that share each batch.")] = 1,
    nodes: Annotated[int, typer.Option(help="Machines, on each of which torchrun or Slurm starts this command.")] = 1,
    json: Json = False,
) -> None:
    """Train a binary network with Brevitas, and export it as QONNX."""
    from quant import recipes
    from quant.training import Machine
    from quant.training import train as run_training
    from xnorflow.console import print_json, say
    from xnorflow.report import TrainingPage, write_training_report

    chosen = recipes.changed(recipes.load(recipe), settings or [])
    folder = output or Path("runs") / chosen.name
    page = folder / "report.html"
    try:
        result = run_training(
            chosen,
            data=data,
            epochs=epochs,
            seed=seed,
            out=folder,
            resume=resume,
            init=init,
            download=download,
            lower_check=lower_check,
            machine=Machine(accelerator, devices, nodes),
            progress=not json,
            watch=TrainingPage(page),
        )
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(f"--resume continues after the last complete epoch in {folder}") from interrupt
    if not result.metrics:  # of another process of the same training
        return
    write_training_report(result.metrics, page)
    say(f"{result.figure.title} {result.figure.text(result.accuracy)} on the test split; {result.model}")
    say(f"curves, figures of the layers and warnings: {page}")
    if json:
        print_json({**result.to_json(), "report": str(page)})
