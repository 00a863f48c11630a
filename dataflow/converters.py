"""Width converters between nodes whose beats differ. They are inserted after folding, and removed before it."""

from dataclasses import replace

from dataflow.network import Fifo, Network, Terminal
from dataflow.nodes import Node, WidthConverter
from dataflow.streams import Stream

__all__ = ["converter_between", "fit_ends", "insert_converters", "without_converters"]


def without_converters(network: Network) -> Network:
    """Return the network without its width converters, as the starting point of folding.

    The result does not pass `verify` while the lanes of neighbours differ.
    """
    fifos = list(network.fifos)
    inner, kept = network.node_of_name, []
    for node in network.nodes:
        into = next((fifo for fifo in fifos if node.fits_neighbours and fifo.target == node.name), None)
        after = next((fifo for fifo in fifos if node.fits_neighbours and fifo.source == node.name), None)
        # Between an input and an output of the network it stays: a FIFO alone is no network.
        if into is None or after is None or (into.source not in inner and after.target not in inner):
            kept.append(node)
        else:
            joined = replace(into, target=after.target, target_port=after.target_port)
            fifos[fifos.index(into)] = joined
            fifos.remove(after)
    return replace(network, nodes=tuple(kept), fifos=tuple(fifos))


def fit_ends(network: Network) -> Network:
    """Return the network with ends that have the lanes of the adjacent nodes."""

    def fit(terminal: Terminal, stream: Stream) -> Terminal:
        parts = max(1, terminal.stream.shape[-1] // stream.vector) if stream.inert else 1
        return replace(terminal, stream=replace(terminal.stream, lanes=stream.lanes, parts=parts))

    def first_reader(terminal: Terminal) -> Stream:
        fifo = network.fifos_out_of(terminal.name)[0]
        return network.node(fifo.target).input_streams[fifo.target_port]

    def writer(terminal: Terminal) -> Stream:
        return network.stream(network.fifos_into(terminal.name)[0])

    return replace(
        network,
        inputs=tuple(fit(terminal, first_reader(terminal)) for terminal in network.inputs),
        outputs=tuple(fit(terminal, writer(terminal)) for terminal in network.outputs),
    )


def insert_converters(network: Network) -> Network:
    """Return the network with a converter between every writer and reader whose beats differ."""
    outputs = {terminal.name for terminal in network.outputs}
    before: dict[str, list[Node]] = {}
    fifos: list[Fifo] = []
    for fifo in network.fifos:
        source = network.stream(fifo)
        target = source if fifo.target in outputs else network.node(fifo.target).input_streams[fifo.target_port]
        if source.has_beats_of(target):
            fifos.append(fifo)
            continue
        # Named after the port that reads it: a name from a counter would change whenever another converter is inserted.
        name = f"{fifo.target}.{fifo.target_port}.width" if fifo.target_port else f"{fifo.target}.width"
        converter = converter_between(name, source, target)
        before.setdefault(fifo.target, []).append(converter)
        fifos.append(replace(fifo, target=name, target_port=0))
        fifos.append(Fifo(name, fifo.target, 0, fifo.target_port))
    nodes = tuple(each for node in network.nodes for each in (*before.get(node.name, ()), node))
    return replace(network, nodes=nodes, fifos=tuple(fifos))


def converter_between(name: str, source: Stream, target: Stream) -> WidthConverter:
    """Return the converter from the beats of one stream to those of another."""
    # Both ends get the shape with more channels, because the beats of a flattened frame may span pixels.
    shape = max(source.shape, target.shape, key=lambda shape: shape[-1])
    parts_in, parts_out = (shape[-1] // each.vector if each.inert else 1 for each in (source, target))
    return WidthConverter(name, source.element, shape, source.lanes, target.lanes, parts_in, parts_out)
