"""The network: nodes, the FIFOs between them, and its two ends."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

import numpy as np

from dataflow.elements import Bipolar
from dataflow.errors import InputError, require_known
from dataflow.limits import MOST_BITS, MOST_STEPS, most_numbers, require_numbers
from dataflow.nodes import Node
from dataflow.streams import Stream, are_sizes

__all__ = ["Fifo", "Head", "Network", "Scores", "Terminal", "verify"]

#: Characters of a name.
LONGEST_NAME = 1000


@dataclass(frozen=True)
class Terminal:
    """An input or output of the network: the name of the port and the type of its stream."""

    name: str
    stream: Stream


@dataclass(frozen=True)
class Fifo:
    """The FIFO of an edge. Every edge between two nodes is exactly one FIFO.

    A beat written in cycle t is visible to the reader from t + 1, a place freed in t to the writer from t + 1.

    Parameters
    ----------
    source : name of the node, or network input, that writes
    target : name of the node, or network output, that reads
    source_port, target_port : which output of the source and which input of the target
    depth : places, at least 1
    """

    source: str
    target: str
    source_port: int = 0
    target_port: int = 0
    depth: int = 2

    def __post_init__(self) -> None:
        if type(self.depth) is not int or self.depth < 1:
            raise InputError(f"Depth of FIFO {self.name!r} must be at least 1, not {self.depth!r}")

    @property
    def name(self) -> str:
        """The name that users see and write: ``FROM -> TO``, with port numbers if they are not 0."""
        source = f"{self.source}.{self.source_port}" if self.source_port else self.source
        target = f"{self.target}.{self.target_port}" if self.target_port else self.target
        return f"{source} -> {target}"


@dataclass(frozen=True, eq=False)
class Scores:
    """The source of the integer scores, and their meaning: ``logits = scale * score + bias``.

    Parameters
    ----------
    node : name of the node whose output 0 carries the scores
    scale, bias : (classes,) float64; those of scores at several positions are the same at each
    """

    node: str
    scale: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, eq=False)
class Head:
    """What a network makes of one output of the model.

    Parameters
    ----------
    name : of the model's output; "" of a network that knows of one only
    outputs : names of the network's outputs that carry its class, positions, bits or scores
    scores : the meaning of its scores, or None if it has none
    """

    name: str
    outputs: tuple[str, ...]
    scores: Scores | None = None

    @property
    def scores_output(self) -> str:
        """The name of the output that carries the scores, if there is one."""
        return f"{self.name}_scores" if self.name else "scores"


@dataclass(frozen=True, eq=False, repr=False)
class Network:
    """A network of hardware nodes, complete with folding and FIFO depths.

    Nodes are in topological order. Every port is connected by exactly one FIFO; `verify` checks it.

    Parameters
    ----------
    name : name of the network
    nodes : the nodes, in topological order
    fifos : one for each edge
    inputs, outputs : the ends
    frame_shape : shape in which people give a frame, for example (28, 28, 1); as many numbers as input 0 has
    scores : the scores' meaning, or None if the network has none, or several heads
    heads : the outputs of the model, if it has several; () for one, see `every_head`
    """

    name: str
    nodes: tuple[Node, ...]
    fifos: tuple[Fifo, ...]
    inputs: tuple[Terminal, ...]
    outputs: tuple[Terminal, ...]
    frame_shape: tuple[int, ...] = ()
    scores: Scores | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    heads: tuple[Head, ...] = ()

    def __repr__(self) -> str:
        ends = f"{len(self.nodes)} nodes, {len(self.fifos)} FIFOs, {self.weight_bits:,} bits of weights"
        return f"<Network {self.name!r}: {ends}, interval {self.interval:,} cycles>"

    @cached_property
    def node_of_name(self) -> dict[str, Node]:
        """The nodes by their names."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def terminal_of_name(self) -> dict[str, Terminal]:
        """The inputs and outputs by their names."""
        return {terminal.name: terminal for terminal in (*self.inputs, *self.outputs)}

    @property
    def every_head(self) -> tuple[Head, ...]:
        """The outputs of the model: the heads, or the one that has all outputs and the scores."""
        return self.heads or (Head("", tuple(end.name for end in self.outputs), self.scores),)

    @property
    def bits(self) -> Terminal | None:
        """The first output that carries independent bits, or None. A network may end in bits instead of a class."""
        return next((each for each in self.outputs if isinstance(each.stream.element, Bipolar)), None)

    def node(self, name: str) -> Node:
        """Return the node called `name`."""
        return self.node_of_name[name]

    def fifos_into(self, name: str) -> tuple[Fifo, ...]:
        """Return the FIFOs that a node or network output reads, by port."""
        return tuple(sorted((f for f in self.fifos if f.target == name), key=lambda f: f.target_port))

    def fifos_out_of(self, name: str) -> tuple[Fifo, ...]:
        """Return the FIFOs that a node or network input writes, by port."""
        return tuple(sorted((f for f in self.fifos if f.source == name), key=lambda f: f.source_port))

    def stream(self, fifo: Fifo) -> Stream:
        """Return the type of the stream in a FIFO."""
        if fifo.source in self.node_of_name:
            return self.node_of_name[fifo.source].output_streams[fifo.source_port]
        return self.terminal_of_name[fifo.source].stream

    @property
    def interval(self) -> int:
        """Cycles between frames in steady state if the FIFOs are deep enough: the steps of the slowest node.

        The two ends count as well, since the beats of a frame pass them one per cycle.
        """
        ends = [terminal.stream.beats for terminal in (*self.inputs, *self.outputs)]
        return max([node.steps for node in self.nodes] + ends)

    @property
    def weight_bits(self) -> int:
        """Bits of the network's weights."""
        return sum(node.weight_bits for node in self.nodes)

    @property
    def macs(self) -> int:
        """Binary products (multiply-accumulates) per frame."""
        return sum(node.macs for node in self.nodes)

    def with_depths(self, depths: Mapping[str, int]) -> "Network":
        """Return the network with other FIFO depths, by FIFO name; the others are kept."""
        known = {fifo.name for fifo in self.fifos}
        for name in depths:
            require_known("FIFO", name, known)
        return replace(self, fifos=tuple(replace(fifo, depth=depths.get(fifo.name, fifo.depth)) for fifo in self.fifos))


def verify(network: Network) -> Network:
    """Check the structure of a network and return it.

    Raises
    ------
    InputError
        Names the node, its neighbour, and both sides of a mismatch.
    """
    _verify_names(network)
    _verify_sizes(network)
    _verify_ports(network)
    _verify_order(network)
    _verify_streams(network)
    _verify_heads(network)
    _verify_scores(network)
    return network


def _verify_names(network: Network) -> None:
    if not isinstance(network.name, str) or not network.name:
        raise InputError(f"Name of a network must be a text, not {network.name!r}")
    _require_text(network.name)
    seen: set[str] = set()
    for name in [node.name for node in network.nodes] + [t.name for t in (*network.inputs, *network.outputs)]:
        if not isinstance(name, str) or not name or name in seen or "->" in name or name != name.strip():
            raise InputError(f"Name of a node must be unique, with neither '->' nor outer spaces, not {name!r}")
        _require_text(name)
        seen.add(name)
    if not network.inputs or not network.outputs:
        raise InputError(f"Network {network.name!r} must have an input and an output, not only one of them")


def _require_text(name: str) -> None:
    """Check that a name can be written to a file: it has no half of a surrogate pair, and no control character."""
    if any(unicodedata.category(each) in ("Cs", "Cc") for each in name) or len(name) > LONGEST_NAME:
        raise InputError(
            f"Name must be text of at most {LONGEST_NAME} characters without control characters, not {name[:40]!r}"
        )


def _verify_sizes(network: Network) -> None:
    """Check that frames can be computed at all: files may say anything, and memory is taken for each number."""
    limit = most_numbers()
    ends = [(terminal.name, (terminal.stream,)) for terminal in (*network.inputs, *network.outputs)]
    for name, streams in (*ends, *((node.name, (*node.input_streams, *node.output_streams)) for node in network.nodes)):
        for stream in streams:
            require_numbers(name, stream.size)
            if stream.width > MOST_BITS:
                raise InputError(f"Beats of {name!r} must have at most {MOST_BITS:,} bits, not {stream.width:,}")
    for fifo in network.fifos:
        if fifo.depth > limit:
            raise InputError(f"Depth of FIFO {fifo.name!r} must be at most {limit:,}, not {fifo.depth:,}")
    for node in network.nodes:
        if node.steps > MOST_STEPS:
            raise InputError(f"Steps of node {node.name!r} must be at most {MOST_STEPS:,}, not {node.steps:,}")


def _verify_ports(network: Network) -> None:
    written = {(node.name, port) for node in network.nodes for port in range(len(node.output_streams))}
    read = {(node.name, port) for node in network.nodes for port in range(len(node.input_streams))}
    written |= {(terminal.name, 0) for terminal in network.inputs}
    read |= {(terminal.name, 0) for terminal in network.outputs}
    for what, ports, ends in (
        ("Output", written, [(fifo.source, fifo.source_port) for fifo in network.fifos]),
        ("Input", read, [(fifo.target, fifo.target_port) for fifo in network.fifos]),
    ):
        for end in ends:
            if end not in ports:
                raise InputError(f"{what} of a FIFO must be a port of the network, not port {end[1]} of {end[0]!r}")
        for name, port in sorted(ports):
            count = ends.count((name, port))
            if count != 1:
                raise InputError(f"{what} {port} of {name!r} must have exactly one FIFO, not {count}")


def _verify_order(network: Network) -> None:
    rank = {node.name: index for index, node in enumerate(network.nodes)}
    for fifo in network.fifos:
        if fifo.source in rank and fifo.target in rank and rank[fifo.source] >= rank[fifo.target]:
            raise InputError(f"Node {fifo.target!r} must come after {fifo.source!r}, which it reads, not before it")


def _verify_streams(network: Network) -> None:
    for fifo in network.fifos:
        source = network.stream(fifo)
        if fifo.target in network.node_of_name:
            target = network.node(fifo.target).input_streams[fifo.target_port]
        else:
            target = network.terminal_of_name[fifo.target].stream
        same = source.element == target.element and source.has_beats_of(target)
        if not same or (source.shape[-1] != target.shape[-1] and target.shape != (source.size,)):
            raise InputError(f"Node {fifo.target!r} must read what {fifo.source!r} writes ({source}), not ({target})")


def _verify_scores(network: Network) -> None:
    frame_size = network.inputs[0].stream.size
    if network.frame_shape and not (are_sizes(network.frame_shape) and prod(network.frame_shape) == frame_size):
        raise InputError(
            f"Frame shape of network {network.name!r} must have {frame_size} numbers, not {network.frame_shape!r}"
        )
    for head in network.every_head:
        if head.scores is not None:
            _verify_meaning(network, head.scores)


def _verify_heads(network: Network) -> None:
    heads = network.heads
    if not heads:
        return
    if len(heads) < 2 or network.scores is not None:
        raise InputError(
            f"Heads of network {network.name!r} must be several, with scores of their own, not {len(heads)}"
            f"{' beside those of the network' if network.scores is not None else ''}"
        )
    for index, head in enumerate(heads):
        if not isinstance(head.name, str) or not head.name or head.name in [other.name for other in heads[:index]]:
            raise InputError(f"Name of a head of network {network.name!r} must be unique, not {head.name!r}")
        _require_text(head.name)
        if not head.outputs:
            raise InputError(f"Head {head.name!r} of network {network.name!r} must have an output, not none")
    carried = [name for head in heads for name in head.outputs]
    if sorted(carried) != sorted(end.name for end in network.outputs):
        raise InputError(
            f"Outputs of network {network.name!r} must each belong to one head, not be "
            f"{', '.join(map(repr, carried))} of {', '.join(repr(end.name) for end in network.outputs)}"
        )


def _verify_meaning(network: Network, scores: Scores) -> None:
    if scores.node not in network.node_of_name:
        raise InputError(f"Scores of network {network.name!r} must come from one of its nodes, not {scores.node!r}")
    classes = network.node(scores.node).output_streams[0].shape[-1]
    for what, values in (("scale", scores.scale), ("bias", scores.bias)):
        if values.shape != (classes,) or values.dtype != np.float64:
            raise InputError(f"Scores' {what} must be {classes} float64, not {values.dtype} {values.shape}")
        if not np.isfinite(values).all():
            raise InputError(f"Scores' {what} must be finite, not {values[~np.isfinite(values)][0]}")
