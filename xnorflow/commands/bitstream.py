"""``xnorflow bitstream``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from xnorflow.commands._options import Json, NetworkName
from xnorflow.timing import Timing, routed_clock

__all__ = ["bitstream"]


def bitstream(
    net: NetworkName,
    board: Annotated[str, typer.Option(help="Board, see `xnorflow boards`.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the bitstream.")],
    clock_mhz: Annotated[float | None, typer.Option(help="Clock in MHz, instead of the board's default.")] = None,
    baud: Annotated[int, typer.Option(help="Baud rate of the serial link.")] = 1_000_000,
    json: Json = False,
) -> None:
    """Build a board's bitstream: the network with a serial link."""
    from xnorflow.console import console, print_json, print_table, say, table_of
    from xnorflow.flow import build_bitstream
    from xnorflow.networks import open_network

    network = open_network(net)
    with console.status("bitstream") as status:
        report = build_bitstream(
            network, board, output, clock_mhz=clock_mhz, baud=baud, progress=lambda text: status.update(Text(text))
        )
    result = report.to_json()
    print_table(table_of(f"{network.name} on {board}", ("figure", "value"), list(result.items())))
    clock = routed_clock(report.clock_mhz, report.fmax_mhz, met=report.timing_met)
    say(str(Timing(report.latency, report.interval, clock)))
    if json:
        print_json(result)
    raise typer.Exit(0 if report.timing_met else 1)
