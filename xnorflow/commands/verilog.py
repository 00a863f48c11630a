"""``xnorflow verilog``."""

from pathlib import Path
from typing import Annotated

import typer

from xnorflow.commands._options import Json, NetworkName

__all__ = ["verilog"]


def verilog(
    net: NetworkName,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the Verilog.")],
    json: Json = False,
) -> None:
    """Write the network as Verilog with AXI4-Stream ports."""
    from rtl.verilog import write_verilog
    from xnorflow.console import print_json, say
    from xnorflow.networks import open_network
    from xnorflow.target import choose_target

    network = open_network(net)
    target = choose_target(network)
    path = write_verilog(network, output)
    say(f"{path} ({path.stat().st_size:,} bytes), top module {path.stem}")
    say(str(target))
    if json:
        print_json({"verilog": str(path), "top": path.stem, "bytes": path.stat().st_size, "target": target.to_json()})
