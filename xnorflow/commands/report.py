"""``xnorflow report``."""

from pathlib import Path
from typing import Annotated

import typer

from dataflow import InputError
from dataflow.writing import check_writable
from xnorflow.commands._options import BuildFolder, ClockMhz, Json, NetworkName
from xnorflow.target import choose_target
from xnorflow.timing import open_build

__all__ = ["report"]


def report(
    net: NetworkName,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.html", help="Where the page goes.")],
    build: BuildFolder = None,
    clock_mhz: ClockMhz = None,
    family: Annotated[str | None, typer.Option(help="Device family of the estimate, without --build.")] = None,
    frames: Annotated[int, typer.Option(help="How many frames the diagrams show.")] = 3,
    json: Json = False,
) -> None:
    """Write a page about a network: picture, folding, resources, and its activity over time."""
    from dataflow import board_outputs
    from xnorflow.console import print_json, say
    from xnorflow.networks import open_network
    from xnorflow.report import write_report

    check_writable(output, "Report", ".html", ".htm")
    if frames < 1:
        raise InputError(f"Frames of the diagrams must be at least 1, not {frames}")
    network = open_network(net)
    built = None if build is None else open_build(build, network)
    target = choose_target(network, family=family, clock_mhz=clock_mhz, build=built)
    if built is not None:
        network = board_outputs(network)  # as it was built
    timing = write_report(network, output, family=target.family, clock=target.clock, build=built, frames=frames)
    say(f"{output}: {network.name}, the first {frames} frames in its diagrams")
    say(str(target))
    say(str(timing))
    if json:
        print_json({"report": str(output), "frames": frames, "timing": timing.to_json(), "target": target.to_json()})
