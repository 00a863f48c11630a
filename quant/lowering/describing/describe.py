"""Operations of the hardware become a network of nodes, with names and FIFOs."""

from collections.abc import Iterable
from dataclasses import dataclass

from dataflow import Fifo, Fork, Head, Network, Node, Scores, Stream, Terminal, expose_scores
from dataflow.converters import insert_converters
from quant.lowering.describing.names import Names, clean_name
from quant.lowering.graph.ends import CHANNELS, POSITIONS, End
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import HardwareOperation

__all__ = ["describe"]

#: Name of the output for each kind of end; with "both" it is for what the model chooses among, the scores come later.
_ANSWERS = {
    **{kind: kind for kind in ("class", "positions", "scores", "bits")},
    **{"": "class", CHANNELS: "class", POSITIONS: "positions"},
}


def describe(graph: Graph) -> Network:
    """Return the network, unfolded, ending in what the graph's ends say."""
    assert graph.frame_element is not None
    shape = graph.image or (graph.size(graph.input),)
    entry = Stream(graph.frame_element, shape)
    heads = _names_of_heads(graph)
    answers = [_answer_name(head, end) for head, end in zip(heads, graph.ends, strict=True)]
    build = _Builder(graph, entry, [*answers, *(f"{head}_scores" for head in heads)])
    for operation in graph.operations:
        assert isinstance(operation, HardwareOperation)
        build.add(operation)
    outputs, fifos, made = [], [], []
    for head, name, end in zip(heads, answers, graph.ends, strict=True):
        source, scores = build.ends[end.tensor].pop(0), end.scores
        shape = source.stream.shape if end.image else (source.stream.size,)
        outputs.append(Terminal(name, Stream(source.stream.element, shape)))
        fifos.append(Fifo(source.name, name, source.port))
        meaning = None if scores is None else Scores(build.makers[scores.tensor], scores.scale, scores.bias)
        made.append(Head(head, (name,), meaning))
    network = Network(
        graph.name,
        tuple(build.nodes),
        (*build.fifos, *fifos),
        (Terminal("input", entry),),
        tuple(outputs),
        graph.frame_shape,
        made[0].scores if len(made) == 1 else None,
        graph.metadata,
        tuple(made) if len(made) > 1 else (),
    )
    network = insert_converters(network)  # a `Select` may need more lanes than one
    both = [head for head, end in zip(heads, graph.ends, strict=True) if end.kind == "both"]
    return expose_scores(network, heads=both)


def _names_of_heads(graph: Graph) -> list[str]:
    """Return the names of the model's outputs, cleaned and each once; "" for a single one."""
    if len(graph.ends) == 1:
        return [""]
    names: list[str] = []
    for end in graph.ends:
        name = clean_name(end.name) or "output"
        while name in names:
            name += "_"
        names.append(name)
    return names


def _answer_name(head: str, end: End) -> str:
    """Return the name of the network's output that carries what is made of an output of the model."""
    kind = _ANSWERS.get(end.kind) or _ANSWERS[end.chosen]
    return f"{head}_{kind}" if head else kind


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
    makers : by tensor, the name of the node that makes it
    """

    def __init__(self, graph: Graph, stream: Stream, terminals: Iterable[str]) -> None:
        self.graph = graph
        self.names = Names(graph.operations, terminals)
        self.makers: dict[str, str] = {}
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
        self.makers[operation.output] = ends[0].name
        self.ends[operation.output] = self._forked(ends[0], operation.output, name)

    def _append(self, node: Node, ends: list[_End]) -> _End:
        """Add a node that reads outputs."""
        self.nodes.append(node)
        self.fifos += [Fifo(end.name, node.name, end.port, port) for port, end in enumerate(ends)]
        return _End(node.name, 0, node.output_streams[0])

    def _forked(self, end: _End, tensor: str, name: str) -> list[_End]:
        """Return as many outputs as a tensor has readers."""
        readers = self.graph.readings_of(tensor)
        if readers < 2:
            return [end]
        fork = Fork(self.names.take(f"{name}_fork"), end.stream.element, end.stream.shape, readers)
        self._append(fork, [end])
        return [_End(fork.name, port, stream) for port, stream in enumerate(fork.output_streams)]
