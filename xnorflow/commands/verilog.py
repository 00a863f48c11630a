"""``xnorflow verilog``."""

from pathlib import Path
from typing import Annotated

import typer

from xnorflow.commands._options import ClockMhz, Data, DataSet, FrameCount, InputArray, Json, NetworkName
from xnorflow.target import choose_target
from xnorflow.timing import Timing

__all__ = ["verilog"]

#: Frames of the testbench, if none are named.
_FRAMES = 5


def verilog(
    net: NetworkName,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the package.")],
    files: Annotated[str, typer.Option(help="one file of Verilog, or split by component.")] = "one",
    reset: Annotated[
        str, typer.Option(help="active-high (ports clk and rst) or active-low (ports aclk and aresetn).")
    ] = "active-high",
    dataset: DataSet = None,
    input_array: InputArray = None,
    data: Data = None,
    frames: FrameCount = None,
    seed: Annotated[int, typer.Option(help="Seed of random frames.")] = 0,
    clock_mhz: ClockMhz = None,
    json: Json = False,
) -> None:
    """Write a package: Verilog with AXI4-Stream ports, a testbench, constraints, and a README of the core.

    The frames are those of the testbench, 5 random ones unless others are named.
    """
    from xnorflow.console import Phases, note, print_json, say
    from xnorflow.inputs import frames_of_input
    from xnorflow.networks import open_network
    from xnorflow.package import package_of, require_folder, write_folder

    require_folder(output)
    network = open_network(net)
    target = choose_target(network, clock_mhz=clock_mhz)
    if (dataset or input_array) and frames is None:
        frames = _FRAMES
    chosen = frames_of_input(
        network, dataset=dataset, array=input_array, data=data, frames=frames, default=_FRAMES, seed=seed
    )
    for each in chosen.notes:
        note(each)
    with Phases() as phases:
        package = package_of(
            network,
            chosen.values,
            origin=chosen.origin,
            files=files,
            reset=reset,
            target=target,
            progress=phases,
        )
        write_folder(output, package.files)
    size = sum(len(package.files[name].encode()) for name in package.verilog)
    count = len(package.verilog)
    say(f"{output}: top module {package.top}, {size:,} bytes of Verilog in {count} file{'s' if count > 1 else ''}")
    say(f"testbench with {len(chosen)} frames ({chosen.origin}); {output / 'README.md'} says how to run it")
    say(str(Timing.from_json(package.facts["timing"])))
    say(str(target))
    if json:
        print_json(
            {
                "folder": str(output),
                "verilog": str(output / package.verilog[0]),
                "top": package.top,
                "bytes": size,
                **{key: value for key, value in package.facts.items() if key not in ("top", "files")},
            }
        )
