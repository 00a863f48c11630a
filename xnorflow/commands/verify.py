"""``xnorflow verify``."""

from typing import Annotated

import numpy as np
import typer

from dataflow import InputError
from xnorflow.commands import _completion
from xnorflow.commands._options import Data, DataSet, FrameCount, InputArray, Json, NetworkName

__all__ = ["verify"]


def verify(
    net: NetworkName,
    level: Annotated[str, typer.Option(help="Level that is compared with the reference: rtl.")] = "rtl",
    simulator: Annotated[str, typer.Option(help="amaranth, icarus or verilator.")] = "verilator",
    dataset: DataSet = None,
    input_array: InputArray = None,
    data: Data = None,
    frames: FrameCount = None,
    stalls: Annotated[int | None, typer.Option(metavar="SEED", help="Random stalls at both ends.")] = None,
    deciding: Annotated[
        bool, typer.Option(help="Add frames in which every weight of the first layer decides, two for each neuron.")
    ] = False,
    family: Annotated[
        str | None,
        typer.Option(
            help="Device family that the hardware is for; the default is that of the remembered board, else any.",
            show_default=False,
            autocompletion=_completion.families,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of random frames.")] = 0,
    json: Json = False,
) -> None:
    """Prove that the RTL is equal: every value and every cycle of every stream."""
    from hwsim import random_stalls
    from sim_tests.deciding import deciding_frames
    from sim_tests.verification import verify_rtl
    from xnorflow.console import Phases, note, print_json, say
    from xnorflow.inputs import frames_of_input
    from xnorflow.networks import open_network
    from xnorflow.target import board_family

    if level != "rtl":
        raise InputError(f"Level must be rtl, not {level!r}")
    network = open_network(net)
    chosen = frames_of_input(
        network, dataset=dataset, array=input_array, data=data, frames=frames, default=10, seed=seed
    )
    for each in chosen.notes:
        note(each)
    pattern = None if stalls is None else random_stalls(network, stalls)
    values = np.concatenate([chosen.values, deciding_frames(network)]) if deciding else chosen.values
    with Phases() as phases:
        result = verify_rtl(
            network,
            values,
            simulator=simulator,
            stalls=pattern,
            family=family or board_family(network),
            progress=phases,
            advance=phases.advance,
        )
    for mismatch in result.first:
        say(str(mismatch))
    verdict = "equal" if result.passed else "NOT EQUAL"
    say(
        f"{verdict}: {result.frames} frames, {result.streams} streams, {result.beats_compared:,} beats, "
        f"{result.cycles_compared:,} cycle numbers compared on {simulator}; {result.value_mismatches} values and "
        f"{result.cycle_mismatches} cycles differ"
    )
    if json:
        print_json(result.to_json())
    raise typer.Exit(0 if result.passed else 1)
