"""The outputs of a network: adding the scores to the class."""

from collections.abc import Collection
from dataclasses import replace

from dataflow.elements import Bipolar
from dataflow.errors import InputError, require_known
from dataflow.folding import default_depth
from dataflow.network import Fifo, Head, Network, Terminal, verify
from dataflow.nodes import Fork

__all__ = ["board_outputs", "expose_scores"]


def expose_scores(network: Network, *, heads: Collection[str] | None = None) -> Network:
    """Return the network with its integer scores as an additional output "scores", before the existing ones.

    A `Fork` after the node of the scores duplicates them, with that node's folding. All other foldings and depths are
    kept. A network that already has the output is returned unchanged. Of several heads each has an output
    ``NAME_scores``, before its others.

    Parameters
    ----------
    heads : names of the heads whose scores are added; all without it

    Raises
    ------
    InputError
        The network, or a head, has no scores.
    """
    names = [head.name for head in network.every_head]
    for name in heads or ():
        require_known(f"Head of network {network.name!r}", name, names)
    for index, name in enumerate(names):
        if heads is None or name in heads:
            network = _exposed(network, index)
    return network


def board_outputs(network: Network) -> Network:
    """Return the network with the outputs that a board sends: the class or the bits, and the scores, of each head.

    A network, or a head, that ends in bits need not have scores.

    Raises
    ------
    InputError
        The network has a class, and no scores.
    """
    bits = {end.name for end in network.outputs if isinstance(end.stream.element, Bipolar)}
    silent = [head.name for head in network.every_head if head.scores is None and bits.intersection(head.outputs)]
    return expose_scores(network, heads=[head.name for head in network.every_head if head.name not in silent])


def _exposed(network: Network, index: int) -> Network:
    """Return the network with the scores of a head as an output."""
    head = network.every_head[index]
    if head.scores_output in head.outputs:
        return network
    if head.scores is None:
        whose = f"Head {head.name!r} of network {network.name!r}" if head.name else f"Network {network.name!r}"
        raise InputError(f"{whose} must have scores to emit them, not none")
    node = network.node(head.scores.node)
    stream = node.output_streams[0]
    after = network.fifos_out_of(node.name)[0]
    fork = Fork(_free_name(network, f"{head.scores_output}_fork"), stream.element, stream.shape, pe=stream.lanes)
    new = (
        Fifo(node.name, fork.name),
        Fifo(fork.name, head.scores_output),
        replace(after, source=fork.name, source_port=1),
    )
    fifos = [each for fifo in network.fifos for each in (new if fifo is after else (fifo,))]
    place = network.nodes.index(node) + 1
    first = next(number for number, end in enumerate(network.outputs) if end.name in head.outputs)
    exposed = Head(head.name, (head.scores_output, *head.outputs), head.scores)
    forked = replace(
        network,
        nodes=(*network.nodes[:place], fork, *network.nodes[place:]),
        fifos=tuple(fifos),
        outputs=(*network.outputs[:first], Terminal(head.scores_output, stream), *network.outputs[first:]),
        heads=tuple(exposed if number == index else each for number, each in enumerate(network.heads)),
    )
    return verify(forked.with_depths({fifo.name: max(default_depth(forked, fifo), fifo.depth) for fifo in new}))


def _free_name(network: Network, name: str) -> str:
    while any(node.name == name for node in network.nodes):
        name += "_"
    return name
