"""Operations of the hardware become a network of nodes, with names and FIFOs."""

from dataclasses import dataclass
from math import prod

from dataflow import Bipolar, Fifo, Fork, Network, Node, Scores, Stream, Terminal
from dataflow.converters import insert_converters
from quant.lowering.describing.names import Names
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import ClassDecision, HardwareOperation

__all__ = ["describe"]


def describe(graph: Graph) -> Network:
    """Return the network, unfolded, ending in the class, the scores or bits as `graph.outputs` says."""
    assert graph.frame_element is not None
    shape = graph.image or (graph.size(graph.input),)
    entry = Stream(graph.frame_element, shape)
    build = _Builder(graph, entry)
    decision = graph.operations[-1]
    with_class = isinstance(decision, ClassDecision) and graph.outputs != "scores"
    for operation in graph.operations:
        assert isinstance(operation, HardwareOperation)
        if operation is not decision or not isinstance(decision, ClassDecision) or with_class:
            build.add(operation)
    last = build.nodes[-1]
    scores = None
    if isinstance(decision, ClassDecision):
        made = build.nodes[-2] if with_class else last
        scores = Scores(made.name, decision.logit_scale, decision.logit_bias)
    terminal = _terminal(last)
    network = Network(
        graph.name,
        tuple(build.nodes),
        (*build.fifos, Fifo(last.name, terminal.name)),
        (Terminal("input", entry),),
        (terminal,),
        graph.frame_shape,
        scores,
        graph.metadata,
    )
    return insert_converters(network)  # a `Select` may need more lanes than one


def _terminal(last: Node) -> Terminal:
    """Return the end of the network: a class, bits or scores, whichever its last node emits."""
    (stream,) = last.output_streams
    if last.kind == "ArgMax":
        return Terminal("class", stream)
    name = "bits" if isinstance(stream.element, Bipolar) else "scores"
    return Terminal(name, Stream(stream.element, (prod(stream.shape),)))


@dataclass(frozen=True)
class _End:
    """An output that is not read yet: a node, or the input, one of its ports, and what it emits."""

    name: str
    port: int
    stream: Stream


class _Builder:
    """A network in the making.

    Attributes
    ----------
    ends : by tensor, the outputs that carry it, one for each reader
    """

    def __init__(self, graph: Graph, stream: Stream) -> None:
        self.graph = graph
        self.names = Names(graph.operations, ["bits"] if graph.outputs == "bits" else [])
        self.nodes: list[Node] = []
        self.fifos: list[Fifo] = []
        self.ends = {graph.input: self._forked(_End("input", 0, stream), graph.input, "input")}

    def add(self, operation: HardwareOperation) -> None:
        """Add the nodes of an operation, and a `Fork` after them if several read what they make."""
        name = self.names.of(operation)
        ends = [self.ends[source].pop(0) for source in operation.sources]
        streams = tuple(end.stream for end in ends)
        for node in operation.nodes(name, streams, lambda ending: self.names.take(f"{name}_{ending}")):
            ends = [self._append(node, ends)]
        self.ends[operation.output] = self._forked(ends[0], operation.output, name)

    def _append(self, node: Node, ends: list[_End]) -> _End:
        """Add a node that reads outputs."""
        self.nodes.append(node)
        self.fifos += [Fifo(end.name, node.name, end.port, port) for port, end in enumerate(ends)]
        return _End(node.name, 0, node.output_streams[0])

    def _forked(self, end: _End, tensor: str, name: str) -> list[_End]:
        """Return as many outputs as a tensor has readers."""
        readers = sum(each.inputs.count(tensor) for each in self.graph.operations)
        if readers < 2:
            return [end]
        fork = Fork(self.names.take(f"{name}_fork"), end.stream.element, end.stream.shape, readers)
        self._append(fork, [end])
        return [_End(fork.name, port, stream) for port, stream in enumerate(fork.output_streams)]
