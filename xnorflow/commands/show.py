"""``xnorflow show``."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from dataflow import Network, network_cost, node_cost
from xnorflow.commands._options import BuildFolder, ClockMhz, Json, NetworkName
from xnorflow.timing import ASSUMED, Clock, Timing, clock_of, open_build, timing_of

__all__ = ["folding_summary", "print_folding", "show"]

Family = Annotated[str, typer.Option("--family", help="Device family of the estimate: ice40 or ecp5.")]


def folding_summary(network: Network, family: str, *, clock: Clock = ASSUMED) -> dict[str, Any]:
    """Return folding, steps and estimated resources of every node and of the whole, and the exact timing."""
    nodes = []
    for node in network.nodes:
        cost = asdict(node_cost(node, family))
        folding = {"pe": node.folding.get("pe"), "simd": node.folding.get("simd")}
        nodes.append({"name": node.name, "kind": node.kind, **folding, "cycles": node.steps, **cost})
    fifos = [{"name": fifo.name, "depth": fifo.depth, "width": network.stream(fifo).width} for fifo in network.fifos]
    estimate = asdict(network_cost(network, family))
    timing = timing_of(network, clock)
    timed = {"interval": timing.interval, "timing": timing.to_json()}
    return {**timed, "family": family, "nodes": nodes, "fifos": fifos, "estimate": estimate}


def print_folding(network: Network, result: dict[str, Any]) -> None:
    """Print the table of `folding_summary`."""
    from xnorflow.console import console, say, table_of

    columns = ("node", "kind", "pe", "simd", "cycles", "luts", "ffs", "brams")
    keys = ("name", "kind", "pe", "simd", "cycles", "luts", "ffs", "brams")
    rows = [["-" if node[key] is None else node[key] for key in keys] for node in result["nodes"]]
    console.print(table_of(f"{network.name}, estimated for {result['family']}", columns, rows))
    total = result["estimate"]
    say(f"estimate with FIFOs: {total['luts']:,} LUTs, {total['ffs']:,} flip-flops, {total['brams']} block RAMs")
    say(str(Timing.from_json(result["timing"])))


def show(
    net: NetworkName,
    family: Family = "ecp5",
    clock_mhz: ClockMhz = None,
    build: BuildFolder = None,
    json: Json = False,
) -> None:
    """Show nodes, shapes, folding, cycles, estimated resources, latency and interval."""
    from xnorflow.console import print_json
    from xnorflow.networks import open_network

    network = open_network(net)
    clock = clock_of(clock_mhz, None if build is None else open_build(build, network))
    result = folding_summary(network, family, clock=clock)
    if json:
        print_json(result)
    print_folding(network, result)
