"""``xnorflow simulate``."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from dataflow import InputError
from xnorflow.commands._options import Data, DataSet, FrameCount, InputArray, Json, NetworkName

__all__ = ["simulate"]


def simulate(
    net: NetworkName,
    dataset: DataSet = None,
    input_array: InputArray = None,
    data: Data = None,
    frames: FrameCount = None,
    outputs: Annotated[Path | None, typer.Option(metavar="FILE.npz", help="Where predictions and scores go.")] = None,
    stalls: Annotated[int | None, typer.Option(metavar="SEED", help="Random stalls at both ends.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of random frames.")] = 0,
    json: Json = False,
) -> None:
    """Simulate values and cycles, both exactly."""
    from xnorflow.console import console, print_json, say, table_of
    from xnorflow.inputs import frames_of_input
    from xnorflow.networks import open_network
    from xnorflow.simulation import simulation_summary

    network = open_network(net)
    chosen = frames_of_input(network, dataset=dataset, array=input_array, data=data, frames=frames, seed=seed)
    result, prediction = simulation_summary(network, chosen, stalls=stalls)
    if outputs is not None:
        _save_outputs(outputs, prediction)
    if json:
        print_json(result)
    nodes = [(n["name"], n["busy"], n["starved"], n["blocked"]) for n in result["nodes"]]
    console.print(table_of(f"{network.name}, {chosen.origin}", ("node", "busy", "starved", "blocked"), nodes))
    fifos = [(f["name"], f["depth"], f["max_occupancy"]) for f in result["fifos"]]
    console.print(table_of("FIFOs", ("FIFO", "depth", "most stored"), fifos))
    cycles = result["cycles"]
    accuracy = "no labels" if result["accuracy"] is None else f"accuracy {result['accuracy']:.2%}"
    interval = round(cycles["interval"], 2)  # under stalls a mean
    say(
        f"{result['frames']:,} frames, {accuracy}; {cycles['total']:,} cycles in all, interval {interval:,}, "
        f"first frame out after {cycles['first_frame_latency']:,}"
    )


def _save_outputs(path: Path, prediction: Any) -> None:
    if not path.name:
        raise InputError(f"Outputs file {str(path)!r} must be writable, not: Is a directory")
    part = path.with_name(path.name + ".part.npz")
    try:
        np.savez(part, predictions=prediction.predictions, scores=prediction.scores)
        part.replace(path)
    except OSError as error:
        raise InputError(f"Outputs file {str(path)!r} must be writable, not: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
