"""``xnorflow bitstream``."""

from pathlib import Path
from typing import Annotated

import typer

from dataflow import InputError
from xnorflow.commands import _completion
from xnorflow.commands._options import Json, NetworkName
from xnorflow.timing import Timing, routed_clock

__all__ = ["bitstream"]

#: Figures that the table does not show.
HIDDEN = {"critical_path", "fmax_by_seed", "places"}


def bitstream(
    net: NetworkName,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the bitstream.")],
    board: Annotated[
        str | None,
        typer.Option(
            help="Board, see `xnorflow boards`; the default is the one it was folded for.",
            autocompletion=_completion.boards,
        ),
    ] = None,
    clock_mhz: Annotated[
        float | None, typer.Option(help="Clock in MHz, instead of the remembered or the usual.")
    ] = None,
    baud: Annotated[int, typer.Option(help="Baud rate of the serial link.")] = 1_000_000,
    seeds: Annotated[
        int, typer.Option(metavar="N", help="Place and route N times, several at once, and keep the fastest.")
    ] = 1,
    json: Json = False,
) -> None:
    """Build a board's bitstream: the network with a serial link."""
    from rtl.bitstream.seeds import checked_seeds
    from xnorflow.console import Phases, print_json, print_table, say, table_of
    from xnorflow.flow import build_bitstream
    from xnorflow.networks import open_network
    from xnorflow.target import choose_target

    if output.suffix in (".bin", ".bit", ".svf"):
        raise InputError(f"Output of a bitstream must be a folder, for the file and its reports, not {str(output)!r}")
    checked_seeds(1, seeds)
    network = open_network(net)
    target = choose_target(network, board=board, clock_mhz=clock_mhz)
    if target.board is None:
        raise InputError("Board (--board) must be given for a network that was not folded for one, not left out")
    say(str(target))
    try:
        with Phases() as phases:
            report = build_bitstream(
                network,
                target.board,
                output,
                clock_mhz=target.clock.mhz,
                baud=baud,
                seeds=seeds,
                progress=phases,
                advance=phases.advance,
            )
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(f"{output} is as before; the same command starts again") from interrupt
    result = report.to_json()
    figures = [(name, value) for name, value in result.items() if name not in HIDDEN]
    if len(report.fmax_by_seed) > 1:
        figures.append(("fmax_by_seed", ", ".join(f"{seed}: {mhz:g}" for seed, mhz in report.fmax_by_seed.items())))
    print_table(table_of(f"{network.name} on {target.board}", ("figure", "value"), figures))
    clock = routed_clock(report.clock_mhz, report.fmax_mhz, met=report.timing_met)
    say(str(Timing(report.latency, report.interval, clock)))
    if json:
        print_json(result)
    raise typer.Exit(0 if report.timing_met else 1)
