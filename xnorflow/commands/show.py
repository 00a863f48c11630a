"""``xnorflow show``."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from dataflow import Network, fifo_cost, is_pipelined, network_cost, node_cost, weight_memory
from dataflow.cost import port_cost
from dataflow.families import family_of
from xnorflow.accuracy import accuracy_of
from xnorflow.commands import _completion
from xnorflow.commands._options import BuildFolder, ClockMhz, Json, NetworkName
from xnorflow.ends import has_plain_output, listed_outputs, outputs_line
from xnorflow.target import Target, choose_target
from xnorflow.timing import Timing, open_build, timing_of

__all__ = ["folding_summary", "print_folding", "print_use", "show"]

Family = Annotated[
    str | None,
    typer.Option(
        help="Device family of the estimate: ice40, ecp5, gowin or xilinx7; the default is the remembered one or ecp5.",
        show_default=False,
        autocompletion=_completion.families,
    ),
]
BoardName = Annotated[
    str | None,
    typer.Option(
        "--board",
        help="Board: use its device family, and compare with its sizes.",
        autocompletion=_completion.boards,
    ),
]


def folding_summary(network: Network, target: Target) -> dict[str, Any]:
    """Return folding, steps and estimated resources of every node and of the network, and the exact timing."""
    family, nodes = target.family, []
    for node in network.nodes:
        cost = asdict(node_cost(node, family))
        folding = {"pe": node.folding.get("pe"), "simd": node.folding.get("simd")}
        form = node.form_for(family_of(family))
        nodes.append({"name": node.name, "kind": node.kind, **folding, "cycles": node.steps, **cost, "form": form})
    fifos = []
    for fifo in network.fifos:
        width = network.stream(fifo).width
        cost = asdict(fifo_cost(width, fifo.depth, family))
        fifos.append({"name": fifo.name, "depth": fifo.depth, "width": width, **cost})
    estimate, held = asdict(network_cost(network, family)), weight_memory(network, family)
    weights = {**asdict(held), "waste": held.waste}
    timing = timing_of(network, target.clock)
    timed = {"interval": timing.interval, "timing": timing.to_json(), "target": target.to_json()}
    parts = {
        "nodes": nodes,
        "fifos": fifos,
        "outputs": listed_outputs(network),
        "ports": asdict(port_cost(network)),
        "weight_memory": weights,
    }
    return {**timed, "family": family, "pipelined": is_pipelined(network), **parts, "estimate": estimate}


def print_folding(network: Network, result: dict[str, Any]) -> None:
    """Print the table of `folding_summary`."""
    from xnorflow.console import print_table, say, table_of

    counts = ("luts", "ffs", "brams", "dsps")
    keys = ("name", "kind", "pe", "simd", "cycles", *counts)
    rows = [["-" if node[key] is None else node[key] for key in keys] for node in result["nodes"]]
    others = [*result["fifos"], result["ports"]]
    rows.append(["FIFOs and ports", "", "", "", "", *(sum(each[count] for each in others) for count in counts)])
    rows.append(["all", "", "", "", "", *(result["estimate"][count] for count in counts)])
    print_table(table_of(f"{network.name}, estimated for {result['family']}", ("node", *keys[1:]), rows))
    for kind, form in dict.fromkeys((node["kind"], node["form"]) for node in result["nodes"] if node["form"]):
        alike = {node["name"]: node["form"] for node in result["nodes"] if node["kind"] == kind}
        names = ", ".join(name for name in alike if alike[name] == form)
        # Shared sums are the same for every family.
        rest = ", ".join(name for name in alike if not alike[name] and form != "shared sums")
        say(f"made of {form}: {names}" + (f"; as for any family: {rest}" if rest else ""))
    if result["pipelined"]:
        say("pipelined: registers around memories")
    held = result["weight_memory"]
    if held["blocks"]:
        waste = f"{held['waste']:.1%} of their bits are wasted"
        say(f"weights: {held['bits']:,} bits in {held['blocks']} block RAM{'s' if held['blocks'] > 1 else ''}; {waste}")
    say(str(Timing.from_json(result["timing"])))


def show(
    net: NetworkName,
    family: Family = None,
    board: BoardName = None,
    clock_mhz: ClockMhz = None,
    build: BuildFolder = None,
    json: Json = False,
) -> None:
    """Show nodes, shapes, folding, cycles, estimated resources, latency and interval."""
    from xnorflow.console import print_json, say
    from xnorflow.networks import open_network

    network = open_network(net)
    built = None if build is None else open_build(build, network)
    target = choose_target(network, board=board, family=family, clock_mhz=clock_mhz, build=built)
    result = folding_summary(network, target)
    say(str(target))
    if not has_plain_output(network):
        say(outputs_line(network))
    print_folding(network, result)
    if target.board is not None:
        print_use(target.board, network)
    accuracy = accuracy_of(network)
    if accuracy is not None:
        say(str(accuracy))
    if json:
        print_json(result | {"accuracy": None if accuracy is None else accuracy.to_json()})


def print_use(board: str, network: Network) -> None:
    """Print the share of a board's resources that a network with its serial link takes, by the estimate."""
    from rtl.boards import board_of
    from xnorflow.board_use import use_of_board
    from xnorflow.console import say

    chosen = board_of(board)
    cells, brams, dsps = use_of_board(network, chosen).shares
    say(
        f"{chosen.name}, with the serial link: {cells:.0%} of {chosen.luts:,} logic cells, {brams:.0%} of "
        f"{chosen.brams} block RAMs, {dsps:.0%} of {chosen.dsps} DSPs"
    )
