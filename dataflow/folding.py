"""Folding: the parallelism of each node, and the width converters and FIFO depths that it requires."""

from collections.abc import Mapping
from dataclasses import replace

from dataflow.choices import FoldingChoices
from dataflow.converters import fit_ends, insert_converters, without_converters
from dataflow.errors import InputError, require_known
from dataflow.meeting import meeting_depths
from dataflow.network import Fifo, Network, verify
from dataflow.schedule import Buffered

__all__ = [
    "default_depth",
    "default_depths",
    "fold",
    "fold_to_interval",
    "input_lanes",
]


def fold(
    network: Network, foldings: Mapping[str, Mapping[str, int]], *, depths: Mapping[str, int] | None = None
) -> Network:
    """Return the network with other foldings, width converters between neighbours if needed, and FIFO depths.

    Parameters
    ----------
    foldings : the fold parameters to change, by node name
    depths : FIFO depths by name, ``FROM -> TO``; the others get a depth that costs no throughput

    Raises
    ------
    InputError
        A node or FIFO that does not exist, or a folding that the shape does not allow.
    """
    base = without_converters(network)
    known = {node.name: node for node in base.nodes}
    for name in foldings:
        require_known(f"Folded node of network {network.name!r}", name, known)
    nodes = tuple(node.folded(foldings.get(node.name, {})) for node in base.nodes)
    folded = fit_ends(replace(base, nodes=nodes))
    converted = insert_converters(folded)
    return verify(converted.with_depths(default_depths(converted)).with_depths(depths or {}))


def input_lanes(network: Network) -> int:
    """Return the numbers per beat at the network's first input."""
    return network.inputs[0].stream.lanes


def fold_to_interval(
    network: Network,
    interval: int,
    *,
    family: str = "ecp5",
    strict: bool = True,
    fixed: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, dict[str, int]]:
    """Return, for each node, the cheapest legal folding whose steps are at most `interval`.

    Parameters
    ----------
    family : device family for the costs
    strict : whether a node that cannot be fast enough is an error; otherwise it gets its fastest folding
    fixed : foldings that are kept; parameters that they do not name are kept as well

    Raises
    ------
    InputError
        A node cannot be fast enough; the message gives the least interval that it allows. Or a named node does not
        exist, or its shape does not allow its folding.
    """
    choices = FoldingChoices(network, family)
    complete = {}
    for name, folding in (fixed or {}).items():
        require_known(f"Folded node of network {network.name!r}", name, network.node_of_name)
        complete[name] = network.node(name).folded(folding).folding
    if strict and interval < choices.least_interval:
        raise InputError(choices.refusal(interval))
    return choices.to(interval, fixed=complete)


def default_depths(network: Network) -> dict[str, int]:
    """Return depths that cost no throughput and rule out deadlocks, by FIFO name."""
    depths = {fifo.name: default_depth(network, fifo) for fifo in network.fifos}
    return depths | meeting_depths(network, depths)


def default_depth(network: Network, fifo: Fifo) -> int:
    """Return a depth that costs no throughput, if the reader has no other input.

    A writer that emits in every cycle needs ``latency + 2`` places to run at full rate: the timing contract reserves a
    place when a step is issued, and shows a freed place in the next cycle. A reader that consumes in bursts needs one
    more burst, so that the writer continues while the reader computes.
    """
    names = network.node_of_name
    latency = names[fifo.source].schedule().latency if fifo.source in names else 0
    if fifo.target not in names:
        return latency + 2
    schedule = names[fifo.target].schedule()
    if isinstance(schedule, Buffered):
        return latency + 2  # it continues to take beats while it emits
    consumes = schedule.consumes[fifo.target_port]
    burst = 0 if consumes.all() else int(consumes.sum())
    return latency + 2 + burst
