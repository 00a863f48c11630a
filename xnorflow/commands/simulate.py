"""``xnorflow simulate``."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from dataflow import InputError, Network, atomic_write
from dataflow.writing import check_writable
from xnorflow.commands._options import BuildFolder, ClockMhz, Data, DataSet, FrameCount, InputArray, Json, NetworkName
from xnorflow.target import choose_target
from xnorflow.timing import Timing, open_build

__all__ = ["simulate"]

FIFO_COLUMNS = ("FIFO", "depth", "most stored", "most taken")


def simulate(
    net: NetworkName,
    dataset: DataSet = None,
    input_array: InputArray = None,
    data: Data = None,
    frames: FrameCount = None,
    outputs: Annotated[Path | None, typer.Option(metavar="FILE.npz", help="File for predictions and scores.")] = None,
    stalls: Annotated[int | None, typer.Option(metavar="SEED", help="Random stalls at both ends.")] = None,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Waveforms (.vcd, for GTKWave or Surfer) or tracks (.json, for Perfetto)."),
    ] = None,
    diagram: Annotated[bool, typer.Option("--diagram", help="Print the pipeline of the first frames.")] = False,
    trace_frames: Annotated[int, typer.Option(help="How many frames --trace and --diagram cover, at most.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of random frames.")] = 0,
    clock_mhz: ClockMhz = None,
    build: BuildFolder = None,
    json: Json = False,
) -> None:
    """Simulate values and cycles, both exact."""
    from xnorflow.console import note, print_json, print_table, say, table_of
    from xnorflow.inputs import frames_of_input
    from xnorflow.networks import open_network
    from xnorflow.simulation import simulation_summary

    if trace_frames < 1:
        raise InputError(f"Traced frames must be at least 1, not {trace_frames}")
    if trace is not None:
        from xnorflow.traces import format_of

        format_of(trace)
        check_writable(trace, "Trace")
    if outputs is not None:
        check_writable(outputs, "Outputs", ".npz")
    network = open_network(net)
    built = None if build is None else open_build(build, network)
    target = choose_target(network, clock_mhz=clock_mhz, build=built)
    chosen = frames_of_input(network, dataset=dataset, array=input_array, data=data, frames=frames, seed=seed)
    for each in chosen.notes:
        note(each)
    result, prediction = simulation_summary(network, chosen, stalls=stalls, clock=target.clock)
    result["target"] = target.to_json()
    if trace is not None or diagram:
        count = min(trace_frames, len(chosen))
        traced = _trace(network, count, stalls, trace=trace, show_diagram=diagram)
        if traced is not None:
            result["trace"] = traced
    if outputs is not None:
        _save_outputs(outputs, prediction)
    say(str(target))
    nodes = [(n["name"], n["busy"], n["starved"], n["blocked"]) for n in result["nodes"]]
    print_table(table_of(f"{network.name}, {chosen.origin}", ("node", "busy", "starved", "blocked"), nodes))
    fifos = [(f["name"], f["depth"], f["max_occupancy"], f["max_taken"]) for f in result["fifos"]]
    print_table(table_of("FIFOs; a place is taken as soon as the step that will fill it starts", FIFO_COLUMNS, fifos))
    unknown = "no labels" if chosen.labels is None else "no labels of its bits"
    accuracy = unknown if result["accuracy"] is None else f"accuracy {result['accuracy']:.2%}"
    say(f"{result['frames']:,} frames, {accuracy}; {result['cycles']['total']:,} cycles in all")
    say(str(Timing.from_json(result["timing"])))
    if json:
        print_json(result)


def _save_outputs(path: Path, prediction: Any) -> None:
    arrays = {}
    for suffix, each in [("", prediction), *((f"_{name}", head) for name, head in prediction.heads.items())]:
        arrays[f"predictions{suffix}"] = each.predictions
        if each.scores is not None:
            arrays[f"scores{suffix}"] = each.scores
    with atomic_write(path, "Outputs") as part, part.open("wb") as file:
        np.savez(file, **arrays)


def _trace(
    network: Network, frames: int, stalls: int | None, *, trace: Path | None, show_diagram: bool
) -> dict[str, Any] | None:
    """Write the trace and print the diagram of the first frames; return the range of the trace."""
    from hwsim import random_stalls, unroll
    from xnorflow.console import results, say
    from xnorflow.traces import diagram, write_trace

    timeline = unroll(network, frames, stalls=None if stalls is None else random_stalls(network, stalls))
    if show_diagram:
        names = max(len(node.name) for node in network.nodes)
        results.print(diagram(timeline, width=max(20, results.width - names - 2)))
    if trace is None:
        return None
    write_trace(network, timeline, trace)
    say(f"{trace}: the first {frames} frames, cycles 0 to {timeline.cycles - 1:,}")
    return {"file": str(trace), "frames": frames, "cycles": timeline.cycles}
