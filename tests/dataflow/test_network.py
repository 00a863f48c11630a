"""The faults of a network that `verify` finds."""

from dataclasses import replace

import numpy as np
import pytest

from dataflow import (
    BIPOLAR,
    Fifo,
    InputError,
    Integer,
    MatrixVector,
    Network,
    Scores,
    Stream,
    Terminal,
    Threshold,
    verify,
)
from sim_tests.cases import dense_network

NETWORK = replace(dense_network((12, 6, 4)), name="net")


def refused(network: Network, sentence: str) -> None:
    with pytest.raises(InputError, match=f"^{sentence}$"):
        verify(network)


def with_fifo(old: str, **changes: object) -> Network:
    """Return the network with one FIFO changed or removed."""
    fifos = [
        *(
            replace(fifo, **changes) if fifo.name == old else fifo
            for fifo in NETWORK.fifos
            if changes or fifo.name != old
        )
    ]
    return replace(NETWORK, fifos=tuple(fifos))


def test_a_right_network_is_returned() -> None:
    assert verify(NETWORK) is NETWORK


@pytest.mark.parametrize("name", ["", " fc0", "a -> b", "input", "binarize", 3])
def test_names(name: object) -> None:
    nodes = tuple(replace(node, name=name) if node.name == "fc0" else node for node in NETWORK.nodes)
    sentence = rf"Name of a node must be unique, with neither '->' nor outer spaces, not {name!r}"
    refused(replace(NETWORK, nodes=nodes), sentence)


@pytest.mark.parametrize("name", ["", 3])
def test_name_of_the_network(name: object) -> None:
    refused(replace(NETWORK, name=name), rf"Name of a network must be a text, not {name!r}")  # type: ignore[arg-type]


def test_ends() -> None:
    sentence = r"Network 'net' must have an input and an output, not only one of them"
    refused(replace(NETWORK, inputs=()), sentence)
    refused(replace(NETWORK, outputs=()), sentence)


def test_ports() -> None:
    refused(
        with_fifo("fc0 -> fc1", source="fc9"),
        r"Output of a FIFO must be a port of the network, not port 0 of 'fc9'",
    )
    refused(
        with_fifo("fc0 -> fc1", target_port=1),
        r"Input of a FIFO must be a port of the network, not port 1 of 'fc1'",
    )
    refused(with_fifo("fc0 -> fc1"), r"Output 0 of 'fc0' must have exactly one FIFO, not 0")
    more = replace(NETWORK, fifos=(*NETWORK.fifos, Fifo("fc0", "fc1")))
    refused(more, r"Output 0 of 'fc0' must have exactly one FIFO, not 2")
    without = tuple(fifo for fifo in NETWORK.fifos if fifo.target != "class")
    refused(replace(NETWORK, fifos=(*without, Fifo("arg_max", "fc1"))), r"Input 0 of 'class' must have .* FIFO, not 0")


def test_order() -> None:
    refused(
        replace(NETWORK, nodes=NETWORK.nodes[::-1]),
        r"Node 'fc0' must come after 'binarize', which it reads, not before it",
    )


def two_nodes(source: Stream, node: MatrixVector) -> Network:
    first = Threshold("first", source.element, source.shape, np.array([1]), source.lanes)
    ends = Terminal("in", first.input_streams[0]), Terminal("out", node.output_streams[0])
    fifos = (Fifo("in", "first"), Fifo("first", node.name), Fifo(node.name, "out"))
    return Network("net", (first, node), fifos, ends[:1], ends[1:])


def test_streams_of_neighbours() -> None:
    node = MatrixVector("m", np.ones((2, 12), np.int8), simd=2)
    verify(two_nodes(Stream(Integer(8), (12,), 2), node))
    refused(
        two_nodes(Stream(Integer(8), (12,), 3), node),
        r"Node 'm' must read what 'first' writes \(bipolar 12, 3 at once\), not \(bipolar 12, 2 at once\)",
    )
    refused(
        two_nodes(Stream(Integer(8), (14,), 2), node),
        r"Node 'm' must read what 'first' writes \(bipolar 14, 2 at once\), not \(bipolar 12, 2 at once\)",
    )


def test_flattening_needs_no_node() -> None:
    node = MatrixVector("m", np.ones((2, 12), np.int8), simd=2)
    verify(two_nodes(Stream(Integer(8), (3, 1, 4), 2), node))


def test_streams_of_the_ends() -> None:
    end = Terminal("class", Stream(Integer(3), (1,)))
    refused(
        replace(NETWORK, outputs=(end,)),
        r"Node 'class' must read what 'arg_max' writes \(uint2 1, 1 at once\), not \(uint3 1, 1 at once\)",
    )
    start = Terminal("input", Stream(BIPOLAR, (12,)))
    refused(
        replace(NETWORK, inputs=(start,)),
        r"Node 'binarize' must read what 'input' writes \(bipolar 12, 1 at once\), not \(uint8 12, 1 at once\)",
    )


@pytest.mark.parametrize("shape", [(5,), (3, 5), (-3, -4), (12.0,), ("a",)])
def test_frame_shape(shape: tuple) -> None:
    with pytest.raises(InputError) as caught:
        verify(replace(NETWORK, frame_shape=shape))
    assert str(caught.value) == f"Frame shape of network 'net' must have 12 numbers, not {shape!r}"


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        (Scores("fc9", np.ones(4), np.ones(4)), r"Scores of network 'net' must come from one of its nodes, not 'fc9'"),
        (Scores("fc1", np.ones(3), np.ones(4)), r"Scores' scale must be 4 float64, not float64 \(3,\)"),
        (Scores("fc1", np.ones(4), np.ones(4, "f4")), r"Scores' bias must be 4 float64, not float32 \(4,\)"),
        (Scores("fc1", np.ones(4), np.array([0, 1, np.nan, 2])), r"Scores' bias must be finite, not nan"),
        (Scores("fc1", np.array([0, 1, -np.inf, 2]), np.ones(4)), r"Scores' scale must be finite, not -inf"),
    ],
)
def test_scores(scores: Scores, sentence: str) -> None:
    refused(replace(NETWORK, scores=scores), sentence)


def test_fifo_names() -> None:
    assert Fifo("a", "b").name == "a -> b"
    assert Fifo("a", "b", 1, 2).name == "a.1 -> b.2"


@pytest.mark.parametrize("depth", [0, -1, 2.0, True, "3"])
def test_depths(depth: object) -> None:
    sentence = rf"^Depth of FIFO 'a -> b' must be at least 1, not {depth!r}$"
    with pytest.raises(InputError, match=sentence):
        Fifo("a", "b", depth=depth)  # type: ignore[arg-type]


def test_with_depths() -> None:
    changed = NETWORK.with_depths({"fc0 -> fc1": 9})
    assert [fifo.depth for fifo in changed.fifos] == [2, 2, 9, 2, 2]
    sentence = (
        r"^FIFO must be one of arg_max -> class, binarize -> fc0, fc0 -> fc1, fc1 -> arg_max, input -> binarize, "
        r"not 'fc0'( \(did .*\))?$"
    )
    with pytest.raises(InputError, match=sentence):
        NETWORK.with_depths({"fc0": 9})


def test_interval_counts_the_ends_as_well() -> None:
    assert NETWORK.interval == 72
    fast = dense_network((12, 2))
    assert fast.interval == 24
    wide = tuple(node.folded({"pe": 2, "simd": 12}) if node.name == "fc0" else node for node in fast.nodes)
    assert replace(fast, nodes=wide).interval == 12


def test_both_outputs_in_order() -> None:
    both = dense_network((12, 6, 4), outputs="both")
    assert [fifo.name for fifo in both.fifos_out_of("scores_fork")] == [
        "scores_fork -> scores",
        "scores_fork.1 -> arg_max",
    ]
    assert [fifo.name for fifo in both.fifos_into("fc1")] == ["fc0 -> fc1"]
    assert NETWORK.weight_bits == 12 * 6 + 6 * 4
