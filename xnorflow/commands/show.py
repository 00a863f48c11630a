"""``xnorflow show``."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from dataflow import Network, network_cost, node_cost
from xnorflow.commands._options import Json, NetworkName

__all__ = ["folding_summary", "print_folding", "show"]

Family = Annotated[str, typer.Option("--family", help="Device family of the estimate: ice40 or ecp5.")]


def folding_summary(network: Network, family: str) -> dict[str, Any]:
    """Return folding, steps and estimated resources of every node, and of the whole."""
    nodes = []
    for node in network.nodes:
        cost = asdict(node_cost(node, family))
        folding = {"pe": node.folding.get("pe"), "simd": node.folding.get("simd")}
        nodes.append({"name": node.name, "kind": node.kind, **folding, "cycles": node.steps, **cost})
    fifos = [{"name": fifo.name, "depth": fifo.depth, "width": network.stream(fifo).width} for fifo in network.fifos]
    estimate = asdict(network_cost(network, family))
    return {"interval": network.interval, "family": family, "nodes": nodes, "fifos": fifos, "estimate": estimate}


def print_folding(network: Network, result: dict[str, Any]) -> None:
    """Print the table of `folding_summary`."""
    from xnorflow.console import console, say, table_of

    columns = ("node", "kind", "pe", "simd", "cycles", "luts", "ffs", "brams")
    keys = ("name", "kind", "pe", "simd", "cycles", "luts", "ffs", "brams")
    rows = [["-" if node[key] is None else node[key] for key in keys] for node in result["nodes"]]
    console.print(table_of(f"{network.name}, estimated for {result['family']}", columns, rows))
    total = result["estimate"]
    say(
        f"interval {result['interval']:,} cycles; estimate with FIFOs: {total['luts']:,} LUTs, "
        f"{total['ffs']:,} flip-flops, {total['brams']} block RAMs"
    )


def show(net: NetworkName, family: Family = "ecp5", json: Json = False) -> None:
    """Show nodes, shapes, folding, cycles and estimated resources."""
    from xnorflow.console import print_json
    from xnorflow.networks import open_network

    network = open_network(net)
    result = folding_summary(network, family)
    if json:
        print_json(result)
    print_folding(network, result)
