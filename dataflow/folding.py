"""Folding: how much of each node is computed at once, and what that needs between the nodes."""

from collections.abc import Mapping
from dataclasses import replace

from dataflow.errors import InputError, require_known
from dataflow.meeting import meeting_depths
from dataflow.network import Fifo, Network, Terminal, verify
from dataflow.nodes import Node, WidthConverter
from dataflow.schedule import Buffered
from dataflow.streams import Stream

__all__ = [
    "converter_between",
    "default_depth",
    "default_depths",
    "fold",
    "fold_to_interval",
    "input_lanes",
    "without_converters",
]


def without_converters(network: Network) -> Network:
    """Return the network with its width converters taken out: what folding starts from.

    The result does not verify as long as neighbours disagree on their lanes.
    """
    fifos = list(network.fifos)
    for node in network.nodes:
        if isinstance(node, WidthConverter):
            into = next(fifo for fifo in fifos if fifo.target == node.name)
            behind = next(fifo for fifo in fifos if fifo.source == node.name)
            joined = replace(into, target=behind.target, target_port=behind.target_port)
            fifos[fifos.index(into)] = joined
            fifos.remove(behind)
    nodes = tuple(node for node in network.nodes if not isinstance(node, WidthConverter))
    return replace(network, nodes=nodes, fifos=tuple(fifos))


def fold(
    network: Network, foldings: Mapping[str, Mapping[str, int]], *, depths: Mapping[str, int] | None = None
) -> Network:
    """Return the network with other foldings, width converters where neighbours need them, and FIFO depths.

    Parameters
    ----------
    foldings : for each node named, the fold parameters to change
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
    folded = _fit_ends(replace(base, nodes=nodes))
    converted = _insert_converters(folded)
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
    family : device family whose costs count
    strict : whether a node that cannot be that fast is an error; otherwise it gets as fast as it can be
    fixed : foldings that are not to be chosen; what they do not name stays as it is

    Raises
    ------
    InputError
        A node cannot be that fast; the sentence gives the least interval it allows. Or a node named does not exist, or
        its shape does not allow its folding.
    """
    from dataflow.choices import FoldingChoices  # the cost model reads nodes, not foldings

    choices = FoldingChoices(network, family)
    complete = {}
    for name, folding in (fixed or {}).items():
        require_known(f"Folded node of network {network.name!r}", name, network.node_of_name)
        complete[name] = network.node(name).folded(folding).folding
    if strict and interval < choices.least_interval:
        raise InputError(choices.refusal(interval))
    return choices.to(interval, fixed=complete)


def _fit_ends(network: Network) -> Network:
    """Return the network with its ends as wide as the nodes beside them."""

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


def _insert_converters(network: Network) -> Network:
    outputs = {terminal.name for terminal in network.outputs}
    before: dict[str, list[Node]] = {}
    fifos: list[Fifo] = []
    for fifo in network.fifos:
        source = network.stream(fifo)
        target = source if fifo.target in outputs else network.node(fifo.target).input_streams[fifo.target_port]
        if source.has_beats_of(target):
            fifos.append(fifo)
            continue
        name = f"{fifo.target}.{fifo.target_port}.width" if fifo.target_port else f"{fifo.target}.width"
        converter = converter_between(name, source, target)
        before.setdefault(fifo.target, []).append(converter)
        fifos.append(replace(fifo, target=name, target_port=0))
        fifos.append(Fifo(name, fifo.target, 0, fifo.target_port))
    nodes = tuple(each for node in network.nodes for each in (*before.get(node.name, ()), node))
    return replace(network, nodes=nodes, fifos=tuple(fifos))


def converter_between(name: str, source: Stream, target: Stream) -> WidthConverter:
    """Return the converter from the beats of one stream to those of another."""
    # Both ends see the shape that has more channels: a flattened frame may have beats across pixels.
    shape = max(source.shape, target.shape, key=lambda shape: shape[-1])
    parts_in, parts_out = (shape[-1] // each.vector if each.inert else 1 for each in (source, target))
    return WidthConverter(name, source.element, shape, source.lanes, target.lanes, parts_in, parts_out)


def default_depths(network: Network) -> dict[str, int]:
    """Return depths that cost no throughput, and with which nothing stands still for ever, by FIFO name."""
    depths = {fifo.name: default_depth(network, fifo) for fifo in network.fifos}
    return depths | meeting_depths(network, depths)


def default_depth(network: Network, fifo: Fifo) -> int:
    """Return a depth that costs no throughput, if the reader has no other input.

    A writer that emits in every cycle needs ``latency + 2`` places to run at full rate. A reader that consumes in
    bursts needs a further burst, so that the writer goes on while the reader computes.
    """
    names = network.node_of_name
    latency = names[fifo.source].schedule().latency if fifo.source in names else 0
    if fifo.target not in names:
        return latency + 2
    schedule = names[fifo.target].schedule()
    if isinstance(schedule, Buffered):
        return latency + 2  # it goes on taking beats while it emits
    consumes = schedule.consumes[fifo.target_port]
    burst = 0 if consumes.all() else int(consumes.sum())
    return latency + 2 + burst
