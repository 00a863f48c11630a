"""Random networks with shortcuts for the table of cases."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from dataflow import (
    BIPOLAR,
    Add,
    ArgMax,
    Bipolar,
    Concat,
    Element,
    Fifo,
    Fork,
    Integer,
    MatrixVector,
    Network,
    Node,
    Scores,
    SlidingWindow,
    Stream,
    Terminal,
    Threshold,
    fold,
    fold_to_interval,
    unsigned_for,
    verify,
)
from dataflow.converters import insert_converters
from sim_tests.cases import INT2, INT4, INT8, random_weights
from sim_tests.random_codes import random_codes

__all__ = ["RESIDUAL_CASES", "Block", "BlockBuilder", "ResidualCase", "ended", "residual_network"]


@dataclass(frozen=True)
class Block:
    """A residual block: layers whose last sums or bits are added to the block's input, or concatenated with it.

    Parameters
    ----------
    layers : neurons of the layers
    bits : whether the last layer emits bits, else sums
    project : neurons of a layer on the shortcut, which emits sums; None for a direct shortcut
    shortcuts : how often the block's input is added
    sign : whether a `Threshold` follows; otherwise the sums continue, and the next block's layers take their signs
    narrow : number of bits by which the result is narrower than the type that holds all sums
    codes : forms of a `Requantize` after the sums of each layer, and of one instead of the `Threshold`, in turn; layers
        then read integers; () for bits
    factors : of the last layer's numbers and of each shortcut's, where they are added; () for none; further ones do
        not count
    stack : whether channels are concatenated (`Concat`) instead of added; then the last layer emits bits if the block's
        input is bits, else sums
    """

    layers: int = 1
    bits: bool = False
    project: int | None = None
    shortcuts: int = 1
    sign: bool = True
    narrow: int = 0
    stack: bool = False
    factors: tuple[int, ...] = ()
    codes: tuple[str, ...] = ()

    def form(self, index: int) -> str:
        """Return the form of the `Requantize` after a layer, or after the join if `index` is the number of layers."""
        return self.codes[index % len(self.codes)]


@dataclass
class BlockBuilder:
    """Builds a network, which continues at output `port` of node `tail` with frames of `stream`.

    Layers have weights of the types `weights`, used cyclically. `entry` is the stream of the input.
    """

    rng: np.random.Generator
    tail: str
    stream: Stream
    weights: tuple[Element, ...] = (BIPOLAR,)
    nodes: list[Node] = field(default_factory=list)
    fifos: list[Fifo] = field(default_factory=list)
    port: int = 0
    entry: Stream = field(init=False)

    def __post_init__(self) -> None:
        self.entry = self.stream

    def append(self, node: Node) -> None:
        """Append a node."""
        self.fifos.append(Fifo(self.tail, node.name, self.port))
        self.nodes.append(node)
        self.tail, self.port, self.stream = node.name, 0, node.output_streams[0]

    def sign(self, name: str) -> None:
        element, shape = self.stream.element, self.stream.shape
        levels = _levels(element.minimum, element.maximum, shape[-1], self.rng)
        self.append(Threshold(name, element, shape, levels))

    def codes(self, name: str, form: str, *, bits: bool = False) -> None:
        self.append(random_codes(name, self.stream, form, self.rng, bits=bits))

    def layer(self, name: str, neurons: int, *, thresholds: bool, kernel: int = 3) -> None:
        """Append a layer: dense, or a convolution that keeps the image's size."""
        shape, operand = self.stream.shape, self.stream.element
        positions: tuple[int, ...] = ()
        synapses = shape[-1]
        if len(shape) == 3:
            synapses, positions = synapses * kernel * kernel, shape[:2]
        if len(shape) == 3 and kernel > 1:
            around = (kernel // 2,) * 4
            self.append(SlidingWindow(f"{name}.window", operand, shape, (kernel, kernel), padding=around))
        bare = self.matrix(name, (neurons, synapses), positions)
        levels = _levels(*bare.counted, neurons, self.rng) if thresholds else None
        self.append(replace(bare, thresholds=levels))

    def matrix(self, name: str, shape: tuple[int, int], positions: tuple[int, ...] = ()) -> MatrixVector:
        """Return the next matrix, which emits sums of the current stream."""
        count = sum(isinstance(node, MatrixVector) for node in self.nodes)
        element = self.weights[count % len(self.weights)]
        weights = random_weights(self.rng, shape, element)
        return MatrixVector(name, weights, positions=positions, operand=self.stream.element, weight_element=element)

    def block(self, index: int, block: Block) -> None:
        """Append a residual block."""
        fork = Fork(f"fork{index}", self.stream.element, self.stream.shape, copies=1 + block.shortcuts)
        self.append(fork)
        neurons = self.stream.shape[-1] if block.project is None else block.project
        if not isinstance(self.stream.element, Bipolar) and not block.codes:
            self.sign(f"before{index}")
        of_bits = isinstance(fork.element, Bipolar) and block.project is None if block.stack else block.bits
        for layer in range(block.layers):
            last = layer == block.layers - 1
            self.layer(f"conv{index}_{layer}", neurons, thresholds=not block.codes and (of_bits or not last))
            if block.codes:
                self.codes(f"codes{index}_{layer}", block.form(layer), bits=of_bits and last)
        ends = [(self.tail, self.port, self.stream)]
        for copy in range(1, 1 + block.shortcuts):
            self.tail, self.port, self.stream = fork.name, copy, fork.output_streams[0]
            if block.project is not None:
                self.layer(f"project{index}_{copy}", block.project, thresholds=False, kernel=1)
            ends.append((self.tail, self.port, self.stream))
        self.join(index, ends, block)

    def join(self, index: int, ends: list[tuple[str, int, Stream]], block: Block) -> None:
        """Join the ends of branches."""
        streams = [stream for _, _, stream in ends]
        node = _stacked(index, streams) if block.stack else _added(index, streams, block)
        self.fifos += [Fifo(tail, node.name, port, number) for number, (tail, port, _) in enumerate(ends)]
        self.nodes.append(node)
        self.tail, self.port, self.stream = node.name, 0, node.output_streams[0]
        if isinstance(self.stream.element, Bipolar) or not block.sign:
            return
        if block.codes:
            self.codes(f"codes{index}", block.form(block.layers))
        else:
            self.sign(f"sign{index}")


def _added(index: int, streams: list[Stream], block: Block) -> Add:
    elements, narrow = tuple(stream.element for stream in streams), block.narrow
    add = Add(f"add{index}", elements, streams[0].shape, factors=block.factors[: len(streams)])
    element = add.element
    assert isinstance(element, Integer)
    return replace(add, result=Integer(max(1, element.width - narrow), element.signed)) if narrow else add


def _stacked(index: int, streams: list[Stream]) -> Concat:
    elements = tuple(stream.element for stream in streams)
    return Concat(f"stack{index}", elements, tuple(stream.shape[-1] for stream in streams), streams[0].shape[:-1])


def residual_network(
    shape: tuple[int, ...],
    blocks: tuple[Block, ...],
    *,
    classes: int = 4,
    bits: bool = True,
    weights: tuple[Element, ...] = (BIPOLAR,),
    seed: int = 0,
) -> Network:
    """Return a random network with shortcuts, unfolded: residual blocks, a dense layer, the class.

    Parameters
    ----------
    shape : (features,), or (height, width, channels) of an image, whose layers are convolutions 3x3 padded with -1
    bits : whether a `Threshold` comes before the blocks; otherwise they take the pixels
    weights : types of the weights of the layers, used cyclically
    """
    build = BlockBuilder(np.random.default_rng(seed), "input", Stream(Integer(8), shape), weights)
    if bits:
        build.sign("binarize")
    for index, block in enumerate(blocks):
        build.block(index, block)
    return ended(build, "residual-" + "x".join(map(str, shape)), classes)


def ended(build: BlockBuilder, name: str, classes: int) -> Network:
    """Return the network that ends in a dense layer on the builder's stream, and the class."""
    build.append(build.matrix("fc", (classes, prod(build.stream.shape))))
    ones, zeros = np.ones(classes, np.int64), np.zeros(classes, np.int64)
    build.append(ArgMax("arg_max", build.stream.element, ones, zeros))
    build.fifos.append(Fifo(build.tail, "class"))
    network = Network(
        name,
        tuple(build.nodes),
        tuple(build.fifos),
        (Terminal("input", build.entry),),
        (Terminal("class", Stream(unsigned_for(classes - 1), (1,))),),
        build.entry.shape,
        Scores("fc", ones.astype(np.float64), zeros.astype(np.float64)),
    )
    return verify(insert_converters(network))  # a `Select` may need more lanes than one


def _levels(low: int, high: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return levels around the middle, so that ties occur; two are always and never met."""
    levels = np.clip((low + high) // 2 + rng.integers(-2, 3, count), low, high + 1)
    levels[: min(2, count)] = (low, high + 1)[: min(2, count)]
    return levels


@dataclass(frozen=True)
class ResidualCase:
    """A network with shortcuts for the table: how it is built and folded.

    Parameters
    ----------
    interval : nodes that `foldings` does not name are folded to it, if possible; without, one lane at a time
    """

    name: str
    shape: tuple[int, ...]
    blocks: tuple[Block, ...]
    foldings: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    depths: Mapping[str, int] = field(default_factory=dict)
    bits: bool = True
    interval: int | None = None
    weights: tuple[Element, ...] = (BIPOLAR,)

    def network(self) -> Network:
        """Return the network, folded."""
        unfolded = residual_network(self.shape, self.blocks, bits=self.bits, weights=self.weights)
        foldings = self.foldings
        if self.interval is not None:
            foldings = fold_to_interval(unfolded, self.interval, fixed=foldings)
        return fold(unfolded, foldings, depths=self.depths)

    def __str__(self) -> str:
        return self.name


#: Sums and bits, direct and projected shortcuts, several at once, sums that saturate, integers that continue through
#: the blocks, converters before both inputs, and shortcuts with the fewest places.
RESIDUAL_CASES = (
    ResidualCase("dense", (12,), (Block(),), {"add0": {"pe": 3}}),
    ResidualCase("fewest-places", (12,), (Block(),), depths={"fork0.1 -> add0.1": 12}),
    ResidualCase(
        "bits",
        (12,),
        (Block(2, bits=True), Block(bits=True, sign=False)),
        {"fork0": {"pe": 4}, "add0": {"pe": 6}, "add1": {"pe": 4}, "conv0_0": {"simd": 6}},
    ),
    ResidualCase(
        "integers-go-on",
        (10,),
        (Block(sign=False, shortcuts=2), Block(2, sign=False, narrow=2), Block(narrow=3)),
        {"add0": {"pe": 10}, "conv1_0": {"pe": 5, "simd": 2}, "add2": {"pe": 2}},
        bits=False,
    ),
    ResidualCase(
        "projected",
        (9,),
        (Block(2, project=6, shortcuts=2), Block(project=4, narrow=1)),
        {"project0_1": {"pe": 3, "simd": 9}, "add0": {"pe": 2}},
    ),
    ResidualCase(
        "factors",
        (12,),
        (
            Block(2, bits=True, factors=(4, 1)),
            Block(shortcuts=2, factors=(1, 3, 10), sign=False),
            Block(factors=(1, 5)),
        ),
        {"add0": {"pe": 3}, "add1": {"pe": 6}},
    ),
    ResidualCase(
        "image", (4, 5, 4), (Block(), Block(2)), {"conv0_0": {"pe": 2, "simd": 4}, "add1": {"pe": 2}}, interval=250
    ),
    ResidualCase(
        "image-of-integers",
        (5, 4, 2),
        (Block(sign=False), Block(project=3, sign=False, narrow=1)),
        {"conv0_0": {"pe": 2, "simd": 18}, "conv1_0": {"pe": 3, "simd": 6}, "add0": {"pe": 2}},
        bits=False,
        interval=250,
    ),
    ResidualCase(
        "inert-bits",
        (11,),
        (Block(2, bits=True), Block(sign=False)),
        {"add0": {"pe": 4}, "fork0": {"pe": 4}, "conv0_0": {"pe": 3, "simd": 5}, "add1": {"pe": 3}, "fork1": {"pe": 2}},
    ),
    ResidualCase(
        "inert-image",
        (3, 4, 5),
        (Block(narrow=2, sign=False), Block(project=7)),
        {"add0": {"pe": 3}, "fork1": {"pe": 4}, "conv1_0": {"pe": 4, "simd": 7}, "add1": {"pe": 4}, "sign1": {"pe": 3}},
        interval=250,
    ),
    ResidualCase(
        "stacked",
        (6,),
        (Block(stack=True), Block(2, stack=True)),
        {"stack0": {"pe": 3}, "conv0_0": {"pe": 3, "simd": 2}, "stack1": {"pe": 4}, "fork1": {"pe": 4}},
    ),
    ResidualCase(
        "stacked-image",
        (4, 3, 4),
        (Block(stack=True, shortcuts=2), Block(2, project=4, stack=True), Block(project=5)),
        {"stack0": {"pe": 2}, "conv0_0": {"pe": 4, "simd": 6}, "stack1": {"pe": 4}, "sign1": {"pe": 2}},
        interval=250,
    ),
    ResidualCase(
        "stacked-integers-inert",
        (5,),
        (Block(stack=True, project=3, sign=False), Block(stack=True, shortcuts=1, project=4)),
        {"stack0": {"pe": 3}, "stack1": {"pe": 2}, "fork0": {"pe": 2}, "sign1": {"pe": 5}},
        bits=False,
    ),
    ResidualCase("one-pixel", (1, 1, 3), (Block(),)),
    ResidualCase(
        "codes",
        (11,),
        (Block(2, codes=("steps", "lines", "table")), Block(2, codes=("lines", "table", "steps"))),
        {
            **{"codes0_0": {"pe": 3}, "codes0_1": {"pe": 4}, "codes0": {"pe": 11}, "conv0_1": {"pe": 4, "simd": 3}},
            **{"codes1_0": {"pe": 2}, "codes1_1": {"pe": 5}, "codes1": {"pe": 4}},
        },
    ),
    ResidualCase(
        "codes-image",
        (4, 3, 5),
        (
            Block(2, codes=("table", "steps", "lines"), narrow=1),
            Block(2, codes=("steps", "table"), project=4, shortcuts=2),
            Block(codes=("lines",)),
        ),
        {
            **{"codes0_0": {"pe": 2}, "codes0_1": {"pe": 5}, "codes0": {"pe": 3}, "codes1_1": {"pe": 3}},
            **{"codes2_0": {"pe": 4}, "codes2": {"pe": 3}, "conv0_1": {"pe": 3, "simd": 4}},
        },
        interval=250,
    ),
    ResidualCase(
        "codes-stacked",
        (6,),
        (Block(stack=True, codes=("steps",)), Block(2, stack=True, project=4, codes=("lines", "table"))),
        {"codes0_0": {"pe": 4}, "codes1_0": {"pe": 3}, "codes1_1": {"pe": 3}, "codes1": {"pe": 5}},
    ),
    ResidualCase(
        "codes-and-weights",
        (4, 3, 5),
        (Block(2, codes=("steps", "lines")), Block(project=4, codes=("lines", "table"))),
        {"conv0_0": {"pe": 3, "simd": 4}, "conv0_1": {"pe": 5, "simd": 9}, "project1_1": {"pe": 2, "simd": 3}},
        bits=False,
        interval=250,
        weights=(INT8, INT2, INT4),
    ),
)
