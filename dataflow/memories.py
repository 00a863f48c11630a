"""Where weights are: in block RAM that a device has left, instead of LUTs."""

from collections.abc import Mapping
from dataclasses import replace

from dataflow.cost import node_cost
from dataflow.network import Network

__all__ = ["weight_memories", "weights_in_blocks", "with_weight_memories"]


def with_weight_memories(network: Network, places: Mapping[str, str]) -> Network:
    """Return the network with the weights of some nodes elsewhere: "block", "luts" or "auto", by node name."""
    nodes = [node.with_weight_memory(places[node.name]) if node.name in places else node for node in network.nodes]
    return replace(network, nodes=tuple(nodes))


def weight_memories(network: Network) -> dict[str, str]:
    """Return where weights are, by node name, for the nodes for which it was chosen."""
    chosen = {node.name: getattr(node, "weight_memory", "auto") for node in network.nodes}
    return {name: place for name, place in chosen.items() if place != "auto"}


def weights_in_blocks(network: Network, family: str, blocks: int) -> Network:
    """Return the network with weights in block RAM instead of LUTs, as far as blocks are left.

    Those that save most LUTs for each block come first. Values and cycles stay.

    Parameters
    ----------
    family : device family of the costs
    blocks : block RAMs that are left
    """
    ways = []
    for node in network.nodes:
        moved = node.with_weight_memory("block")
        if moved is node:
            continue
        before, after = node_cost(node, family), node_cost(moved, family)
        saved, needed = before.cells(family) - after.cells(family), after.brams - before.brams
        if saved > 0 and needed > 0:
            ways.append((saved / needed, node.name, needed))
    chosen = {}
    for _, name, needed in sorted(ways, reverse=True):
        if needed <= blocks:
            chosen[name] = "block"
            blocks -= needed
    return with_weight_memories(network, chosen)
