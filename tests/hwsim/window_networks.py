"""Networks with nodes that move a kernel over an image: one such node alone, and whole random networks."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import assume
from hypothesis import strategies as st

from dataflow import (
    BIPOLAR,
    Element,
    Fifo,
    InputError,
    Integer,
    MaxPool,
    Network,
    Node,
    SlidingWindow,
    SumPool,
    Terminal,
    WindowNode,
    fold,
    verify,
)
from dataflow.folding import without_converters
from sim_tests.conv_cases import POOLS, conv_network

__all__ = ["ELEMENTS", "alone", "conv_networks", "window_nodes"]

#: Types of numbers that windows are tested with.
ELEMENTS: tuple[Element, ...] = (BIPOLAR, Integer(8), Integer(5, signed=True))

_pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
_sides = st.sampled_from([0, 0, 0, 1, 2, 3])


@st.composite
def window_nodes(
    draw: st.DrawFn,
    elements: tuple[Element, ...] = (BIPOLAR,),
    *,
    kinds: tuple[type[WindowNode], ...] = (SlidingWindow, MaxPool, SumPool),
    sizes: tuple[int, ...] = (1, 2, 3, 4, 5, 6),
    most: int = 9,
) -> WindowNode:
    """Draw a node with any kernel that fits: larger than its stride or smaller, dilated, padded, not square."""
    kind = draw(st.sampled_from(kinds))
    channels = draw(st.sampled_from(sizes))
    shape = (draw(st.integers(1, most)), draw(st.integers(1, most)), channels)
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 2), (2, 2)]))
    padding = draw(st.tuples(_sides, _sides, _sides, _sides))
    element = draw(st.sampled_from(elements))
    try:
        node = kind("node", element, shape, kernel, draw(_pairs), dilation, padding)
    except InputError:  # larger than the padded image, or a position without a pixel
        assume(False)
    if isinstance(node, SlidingWindow):
        groups = draw(st.sampled_from([size for size in range(1, channels + 1) if channels % size == 0]))
        node = replace(node, pad=draw(st.integers(element.minimum, element.maximum)), groups=groups)
    return node.folded(draw(st.sampled_from(list(node.foldings()))))


def alone(*nodes: Node, depth: int = 4) -> Network:
    """Return a network of one node, or of a few behind each other, between its ends."""
    names = ["input", *(node.name for node in nodes), "output"]
    return verify(
        Network(
            "alone",
            nodes,
            tuple(Fifo(source, target, depth=depth) for source, target in pairwise(names)),
            (Terminal("input", nodes[0].input_streams[0]),),
            (Terminal("output", nodes[-1].output_streams[0]),),
        )
    )


@st.composite
def conv_networks(draw: st.DrawFn) -> Network:
    """Draw a convolutional network with random sizes, foldings and FIFO depths, also too small ones."""
    integers = draw(st.booleans(), label="integers")
    try:
        network = conv_network(
            (draw(st.integers(1, 7)), draw(st.integers(1, 7)), draw(st.integers(1, 4))),
            tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=2), label="channels")),
            kernel=draw(_pairs, label="kernel"),
            stride=draw(_pairs, label="stride"),
            dilation=draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 2)]), label="dilation"),
            padding=draw(st.tuples(*[st.integers(0, 2)] * 4), label="padding"),
            pad=draw(st.integers(0, 1), label="pad"),
            zero=draw(st.booleans(), label="zero"),
            groups=draw(st.sampled_from([1, 1, 2, 3, 6]), label="groups"),
            pool=draw(st.sampled_from([None, (2, 2), (1, 2), (2, 1)]), label="pool"),
            pool_kind=draw(st.sampled_from(sorted(POOLS)), label="pool kind"),
            sums=draw(st.booleans(), label="sums"),
            integers=integers,
            seed=draw(st.integers(0, 999), label="seed"),
        )
    except InputError:  # a kernel larger than what the layers before leave of the image
        assume(False)
    nodes = without_converters(network).nodes
    network = fold(
        network, {node.name: draw(st.sampled_from(list(node.foldings())), label=node.name) for node in nodes}
    )
    depths = {
        fifo.name: draw(st.integers(1, fifo.depth + 1), label=fifo.name)
        for fifo in network.fifos
        if draw(st.booleans(), label=f"own depth of {fifo.name}")
    }
    return network.with_depths(depths)
