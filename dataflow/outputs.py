"""The outputs of a network: adding the scores to the class."""

from dataclasses import replace

from dataflow.errors import InputError
from dataflow.folding import default_depth
from dataflow.network import Fifo, Network, Terminal, verify
from dataflow.nodes import Fork

__all__ = ["board_outputs", "expose_scores"]


def expose_scores(network: Network) -> Network:
    """Return the network with its integer scores as an additional output "scores", before the existing ones.

    A `Fork` after the node of the scores duplicates them, with that node's folding. All other foldings and depths are
    kept. A network that already has the output is returned unchanged.

    Raises
    ------
    InputError
        The network has no scores.
    """
    if any(terminal.name == "scores" for terminal in network.outputs):
        return network
    if network.scores is None:
        raise InputError(f"Network {network.name!r} must have scores to emit them, not none")
    node = network.node(network.scores.node)
    stream = node.output_streams[0]
    after = network.fifos_out_of(node.name)[0]
    fork = Fork(_free_name(network), stream.element, stream.shape, pe=stream.lanes)
    new = (
        Fifo(node.name, fork.name),
        Fifo(fork.name, "scores"),
        replace(after, source=fork.name, source_port=1),
    )
    fifos = [each for fifo in network.fifos for each in (new if fifo is after else (fifo,))]
    place = network.nodes.index(node) + 1
    forked = replace(
        network,
        nodes=(*network.nodes[:place], fork, *network.nodes[place:]),
        fifos=tuple(fifos),
        outputs=(Terminal("scores", stream), *network.outputs),
    )
    return verify(forked.with_depths({fifo.name: max(default_depth(forked, fifo), fifo.depth) for fifo in new}))


def board_outputs(network: Network) -> Network:
    """Return the network with the outputs that a board sends: the class or the bits, and the scores.

    A network that ends in bits need not have scores.

    Raises
    ------
    InputError
        The network has a class, and no scores.
    """
    return network if network.bits is not None and network.scores is None else expose_scores(network)


def _free_name(network: Network) -> str:
    name = "scores_fork"
    while any(node.name == name for node in network.nodes):
        name += "_"
    return name
