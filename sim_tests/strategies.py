"""Random networks for Hypothesis."""

from math import prod

import numpy as np
from hypothesis import assume, reject
from hypothesis import strategies as st

from dataflow import (
    BIPOLAR,
    Element,
    InputError,
    Integer,
    Network,
    Node,
    Rearrange,
    Requantize,
    Select,
    fold,
    pipelined,
)
from dataflow.converters import without_converters
from sim_tests.cases import dense_network
from sim_tests.conv_cases import POOLS, conv_network
from sim_tests.random_codes import FORMS
from sim_tests.residual_cases import Block, residual_network
from sim_tests.wiring_cases import OF_IMAGES, STAGES, wiring_network

__all__ = [
    "conv_networks",
    "dense_networks",
    "rearrange_nodes",
    "requantize_frames",
    "requantize_nodes",
    "residual_networks",
    "select_nodes",
    "wiring_networks",
]

#: Types of weights, most often bits.
_WEIGHTS: st.SearchStrategy[Element] = st.just(BIPOLAR) | st.integers(1, 8).map(
    lambda width: BIPOLAR if width == 1 else Integer(width, signed=True)
)


#: Forms of the functions to codes, most often none.
_CODES: st.SearchStrategy[tuple[str, ...]] = st.just(()) | st.lists(st.sampled_from(FORMS), min_size=1, max_size=2).map(
    tuple
)


@st.composite
def dense_networks(draw: st.DrawFn) -> Network:
    """Draw a dense network with random sizes, foldings and FIFO depths, including depths that are too small."""
    sizes = tuple(draw(st.lists(st.integers(1, 30), min_size=2, max_size=5), label="sizes"))
    unfolded = dense_network(
        sizes,
        seed=draw(st.integers(0, 999), label="seed"),
        outputs=draw(st.sampled_from(["class", "scores", "both", "bits", "signs"]), label="outputs"),
        uneven=draw(st.booleans(), label="uneven"),
        weights=draw(st.tuples(_WEIGHTS, _WEIGHTS), label="weights"),
        codes=draw(_CODES, label="codes"),
    )
    return _folded(draw, unfolded)


@st.composite
def conv_networks(draw: st.DrawFn) -> Network:
    """Draw a convolutional network with random geometry, foldings and FIFO depths, including too small ones.

    Padding is -1, +1 or 0. There may be as many groups as channels. Pools are of both kinds, of bits and of integers.
    Pixels and weights have up to 8 bits, and layers in the middle may have codes of 2 to 4 bits instead of bits.
    """

    def two(least: int, most: int, label: str) -> tuple[int, int]:
        return draw(st.tuples(st.integers(least, most), st.integers(least, most)), label=label)

    groups = draw(st.sampled_from([1, 1, 2, 3, 4]), label="groups")
    each = st.integers(1, 5 if groups == 1 else 2).map(lambda count: count * groups)
    try:
        unfolded = conv_network(
            (*two(1, 8, "size"), draw(each, label="channels")),
            tuple(draw(st.lists(each, min_size=1, max_size=2), label="neurons")),
            kernel=two(1, 3, "kernel"),
            stride=two(1, 3, "stride"),
            dilation=two(1, 2, "dilation"),
            padding=(*two(0, 3, "rows around"), *two(0, 3, "columns around")),
            pad=draw(st.integers(0, 1), label="pad"),
            zero=draw(st.sampled_from([True, True, False]), label="zero"),
            groups=groups,
            pool=draw(st.sampled_from([(2, 2), (1, 2), (2, 1), (3, 2), None]), label="pool"),
            pool_padding=draw(st.sampled_from([(0, 0, 0, 0), (0, 1, 1, 0), (1, 0, 0, 1)]), label="around pools"),
            pool_kinds=draw(st.tuples(*[st.sampled_from(sorted(POOLS))] * 2), label="pool kinds"),
            sums=draw(st.tuples(*[st.booleans()] * 2), label="sums"),
            integers=draw(st.booleans(), label="integers"),
            pixels=draw(st.builds(Integer, st.integers(1, 8), st.booleans()), label="pixels"),
            weights=draw(st.tuples(_WEIGHTS, _WEIGHTS, _WEIGHTS), label="weights"),
            codes=draw(_CODES, label="codes"),
            seed=draw(st.integers(0, 999), label="seed"),
        )
    except InputError:  # a kernel larger than its image
        reject()
    network = _folded(draw, unfolded)
    assume(network.interval <= 4000)
    return network


@st.composite
def residual_networks(draw: st.DrawFn) -> Network:
    """Draw a network with shortcuts, dense or convolutional, with random foldings and FIFO depths.

    A shortcut that is too shallow may cause a deadlock.
    """
    size = st.integers(1, 5)
    shape = draw(st.one_of(st.tuples(st.integers(1, 12)), st.tuples(size, size, size)), label="shape")
    block = st.builds(
        Block,
        layers=st.integers(1, 2),
        bits=st.booleans(),
        project=st.one_of(st.none(), size),
        shortcuts=st.sampled_from([1, 1, 1, 2]),
        sign=st.booleans(),
        narrow=st.sampled_from([0, 0, 1, 2]),
        stack=st.sampled_from([False, False, True]),
        factors=st.sampled_from([(), (), (4, 1, 1), (1, 3, 10)]),
        codes=st.just(()) | st.lists(st.sampled_from(FORMS), min_size=1, max_size=3).map(tuple),
    )
    unfolded = residual_network(
        shape,
        tuple(draw(st.lists(block, min_size=1, max_size=3), label="blocks")),
        bits=draw(st.booleans(), label="bits"),
        weights=draw(st.tuples(_WEIGHTS, _WEIGHTS), label="weights"),
        seed=draw(st.integers(0, 999), label="seed"),
    )
    network = _folded(draw, unfolded)
    assume(network.interval <= 1500)
    if not draw(st.booleans(), label="shallow"):
        return network
    shortcuts = [fifo for fifo in network.fifos if fifo.target_port]
    return network.with_depths(
        {fifo.name: draw(st.integers(1, 1 + fifo.depth // 3), label=fifo.name) for fifo in shortcuts}
    )


@st.composite
def wiring_networks(draw: st.DrawFn) -> Network:
    """Draw a network that selects channels and rearranges pixels, with random foldings and FIFO depths."""
    size = st.integers(1, 5)
    shape = draw(st.one_of(st.tuples(st.integers(1, 12)), st.tuples(size, size, size)), label="shape")
    kinds = sorted(STAGES if len(shape) == 3 else STAGES.keys() - OF_IMAGES)
    unfolded = wiring_network(
        shape,
        tuple(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3), label="stages")),
        bits=draw(st.booleans(), label="bits"),
        seed=draw(st.integers(0, 999), label="seed"),
    )
    network = _folded(draw, unfolded)
    assume(network.interval <= 1500)
    return network


@st.composite
def select_nodes(draw: st.DrawFn) -> Select:
    """Draw a choice of channels of any kind and folding."""
    count = draw(st.sampled_from([1, 2, 5, 8, 12, 70]), label="channels")
    element = draw(st.just(BIPOLAR) | st.builds(Integer, st.integers(1, 9), st.booleans()), label="element")
    start, step = draw(st.integers(0, count - 1), label="start"), draw(st.integers(1, 3), label="step")
    slices = st.just(list(range(start, count, step)))
    any_order = st.lists(st.integers(0, count - 1), min_size=1, max_size=count + 2)
    channels = draw(slices | any_order | st.permutations(range(count)), label="taken")
    shape = draw(st.sampled_from([(count,), (2, 3, count)]), label="shape")
    node = Select("select", element, shape, np.array(channels), count)
    return node.folded(draw(_foldings(node), label="folding"))


@st.composite
def rearrange_nodes(draw: st.DrawFn) -> Rearrange:
    """Draw a view with any loops: places that repeat, that are left out, that go backwards."""
    element = draw(st.just(BIPOLAR) | st.builds(Integer, st.integers(1, 9), st.booleans()), label="element")
    together, parts = draw(st.integers(1, 5), label="together"), draw(st.sampled_from([1, 1, 2, 4]), label="parts")
    shape = (*draw(st.tuples(*[st.integers(1, 6)] * 2), label="size"), parts * together)
    pieces = prod(shape) // together
    least, most = 0, 0
    loops: list[list[tuple[int, int]]] = []
    for axis in ("rows", "columns", "channels"):
        loops.append([])
        for _ in range(draw(st.integers(axis != "channels", 3), label=axis)):
            size, stride = draw(st.integers(1, 5), label="loop"), draw(st.integers(-pieces, pieces), label="stride")
            ways = (size - 1) * stride
            if max(most, most + ways) - min(least, least + ways) < pieces:
                least, most = least + min(0, ways), most + max(0, ways)
                loops[-1].append((size, stride * together))
    rows, columns, channels = (tuple(each) for each in loops)
    start = draw(st.integers(-least, pieces - 1 - most), label="start") * together
    views = (rows or ((1, 0),), columns or ((1, 0),), (*channels, (together, 1)))
    node = Rearrange("rearrange", element, shape, *views, start)
    return node.folded(draw(_foldings(node), label="folding"))


@st.composite
def requantize_nodes(draw: st.DrawFn) -> Requantize:
    """Draw a node of any form and folding: functions that are shared or one per channel, pieces without a number."""
    element = draw(st.builds(Integer, st.integers(1, 9), st.booleans()), label="element")
    result: Element = draw(st.just(BIPOLAR) | st.builds(Integer, st.integers(1, 6), st.booleans()), label="result")
    channels = draw(st.integers(1, 9), label="channels")
    shape = draw(st.sampled_from([(channels,), (2, channels)]), label="shape")
    pe = draw(st.integers(1, channels), label="pe")

    def array(label: str, columns: int, low: int, high: int) -> np.ndarray:
        rows = draw(st.sampled_from([1, channels]), label=f"rows of {label}")
        row = st.lists(st.integers(low, high), min_size=columns, max_size=columns)
        values = draw(st.lists(row, min_size=rows, max_size=rows), label=label)
        return np.array(values, np.int64).reshape(rows, columns)

    form = draw(st.sampled_from(["steps", "lines", "table"]), label="form")
    if form == "table" and element.width <= 6:
        table = array("table", 1 << element.width, result.minimum, result.maximum)
        return Requantize("requantize", element, shape, result, table=table, pe=pe)
    pieces = draw(st.integers(1, 5), label="pieces")
    starts = np.sort(array("starts", pieces - 1, element.minimum, element.maximum + 1), axis=1)
    most = draw(st.sampled_from([1, 40]), label="greatest multiplier") if form == "lines" else 0
    multipliers = array("multipliers", pieces, -most, most)
    shift = draw(st.integers(0, 6), label="shift")
    offsets = array("offsets", pieces, (result.minimum - 1) << shift, (result.maximum + 2) << shift)
    return Requantize("requantize", element, shape, result, starts, multipliers, offsets, shift, pe=pe)


def requantize_frames(node: Requantize, count: int, seed: int) -> np.ndarray:
    """Return random frames for a node: the first ones hold its least and greatest number, and those around starts."""
    rng = np.random.default_rng(seed)
    low, high = node.element.minimum, node.element.maximum
    frames = rng.integers(low, high + 1, (count, *node.shape))
    frames[0], frames[1] = low, high
    if node.starts is not None and node.starts.size:
        frames[2] = np.clip(node.starts[:, 0], low, high)
        frames[3] = np.clip(node.starts[:, -1] - 1, low, high)
    return frames


def _foldings(node: Node) -> st.SearchStrategy[dict[str, int]]:
    """Draw foldings of a node. Half of them divide its shape, the others may have inert lanes."""
    return st.sampled_from(list(node.foldings())) | st.sampled_from(list(node.foldings(_all_lanes)))


def _all_lanes(number: int) -> list[int]:
    return list(range(1, number + 1))


def _folded(draw: st.DrawFn, unfolded: Network) -> Network:
    unfolded = pipelined(unfolded, on=draw(st.booleans(), label="pipelined"))
    nodes = without_converters(unfolded).nodes
    foldings = {node.name: draw(_foldings(node), label=node.name) for node in nodes}
    folded = fold(unfolded, foldings)
    depths = {
        fifo.name: draw(st.integers(1, fifo.depth + 1), label=fifo.name)
        for fifo in folded.fifos
        if draw(st.booleans(), label=f"own depth of {fifo.name}")
    }
    return folded.with_depths(depths)
