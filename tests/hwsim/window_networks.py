"""Nodes that move a kernel over an image, each alone in a network."""

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
    verify,
)
from dataflow.nodes import useful_lanes

__all__ = ["ELEMENTS", "alone", "window_nodes"]

#: Types of numbers with which windows are tested.
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
    return node.folded(draw(st.sampled_from(list(node.foldings(useful_lanes)))))


def alone(*nodes: Node, depth: int = 4) -> Network:
    """Return a network of one node, or of several in a row, between its ends."""
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
