"""Folding: legal choices, width converters, depths."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from dataflow import (
    Cost,
    Fifo,
    InputError,
    Integer,
    MatrixVector,
    Network,
    Node,
    Stream,
    Terminal,
    Threshold,
    WidthConverter,
    fold,
    fold_to_interval,
    node_cost,
    verify,
)
from dataflow.choices import FoldingChoices
from dataflow.converters import without_converters
from dataflow.cost import fifo_cost
from dataflow.folding import input_lanes
from sim_tests.cases import dense_network
from sim_tests.strategies import conv_networks, dense_networks, residual_networks
from tests.examples import examples

NETWORK = replace(dense_network((12, 6, 4)), name="net")


def structure(network: Network) -> tuple:
    """Return everything that folding may change."""
    return (
        [(node.name, node.kind, node.folding) for node in network.nodes],
        network.fifos,
        network.inputs,
        network.outputs,
    )


def test_converters_stand_where_neighbours_differ() -> None:
    folded = fold(NETWORK, {"binarize": {"pe": 4}, "fc0": {"pe": 2, "simd": 6}, "fc1": {"pe": 4, "simd": 2}})
    assert [node.name for node in folded.nodes] == [
        "binarize",
        "fc0.width",
        "fc0",
        "fc1",
        "arg_max.width",
        "arg_max",
    ]
    converter = folded.node("fc0.width")
    assert isinstance(converter, WidthConverter)
    assert (converter.lanes_in, converter.lanes_out, converter.shape) == (4, 6, (12,))
    assert [fifo.name for fifo in folded.fifos][1:3] == ["binarize -> fc0.width", "fc0.width -> fc0"]
    assert input_lanes(folded) == 4


def test_the_ends_are_as_wide_as_what_stands_beside_them() -> None:
    folded = fold(dense_network((12, 6, 4), outputs="scores"), {"binarize": {"pe": 3}, "fc1": {"pe": 2}})
    assert folded.inputs[0].stream.lanes == 3
    assert folded.outputs[0].stream.lanes == 2


def test_what_is_not_named_stays() -> None:
    once = fold(NETWORK, {"fc0": {"pe": 2, "simd": 6}}, depths={"fc1 -> arg_max": 40})
    twice = fold(once, {"fc0": {"pe": 3}})
    assert twice.node("fc0").folding == {"pe": 3, "simd": 6}
    assert {fifo.name: fifo.depth for fifo in twice.fifos}["fc1 -> arg_max"] == 6


@settings(max_examples=examples(50))
@given(dense_networks())
def test_folding_again_changes_nothing(network: Network) -> None:
    folded = fold(network, {})
    assert structure(fold(folded, {})) == structure(folded)
    plain = fold(folded, {node.name: dict.fromkeys(node.fold_parameters, 1) for node in network.nodes if node.folding})
    assert not any(isinstance(node, WidthConverter) for node in plain.nodes)
    assert structure(plain) == structure(fold(without_converters(plain), {}))


def test_flattened_frames_get_converters_across_pixels() -> None:
    first = Threshold("first", Integer(8), (3, 2, 4), np.array([1]), 4)
    last = MatrixVector("last", np.ones((2, 24), np.int8), simd=4)
    network = Network(
        "net",
        (first, last),
        (Fifo("in", "first"), Fifo("first", "last"), Fifo("last", "out")),
        (Terminal("in", Stream(Integer(8), (3, 2, 4), 4)),),
        (Terminal("out", last.output_streams[0]),),
    )
    assert [node.name for node in fold(network, {}).nodes] == ["first", "last"]
    converter = fold(network, {"last": {"simd": 12}}).node("last.width")
    assert isinstance(converter, WidthConverter)
    assert (converter.shape, converter.lanes_in, converter.lanes_out) == ((24,), 4, 12)


def test_a_flattened_image_gets_a_converter_for_its_inert_lanes() -> None:
    threshold = Threshold("t", Integer(8), (2, 2, 5), np.array([1]))
    matrix = MatrixVector("m", np.ones((3, 20), np.int8))
    ends = (Terminal("i", Stream(Integer(8), (2, 2, 5))),), (Terminal("o", matrix.output_streams[0]),)
    bare = verify(Network("net", (threshold, matrix), (Fifo("i", "t"), Fifo("t", "m"), Fifo("m", "o")), *ends))
    folded = fold(bare, {"t": {"pe": 2}, "m": {"pe": 2, "simd": 2}})
    converter = folded.node("m.width")
    assert isinstance(converter, WidthConverter)
    assert (converter.shape, converter.lanes_in, converter.lanes_out) == ((20,), 2, 2)
    assert (converter.parts_in, converter.parts_out) == (4, 1)
    assert (folded.inputs[0].stream.beats, folded.outputs[0].stream.beats) == (12, 2)
    assert [node.name for node in fold(folded, {"t": {"pe": 5}, "m": {"simd": 5}}).nodes] == ["t", "m"]
    with pytest.raises(
        InputError,
        match=r"^Node 'm' must read what 't' writes \(bipolar 2x2x5, 2 at once\), not \(bipolar 20, 2 at once\)$",
    ):
        verify(replace(without_converters(folded), fifos=bare.fifos))


def test_depths_are_the_users_where_given() -> None:
    folded = fold(NETWORK, {}, depths={"fc0 -> fc1": 33})
    assert {fifo.name: fifo.depth for fifo in folded.fifos} == {
        "input -> binarize": 2,
        "binarize -> fc0": 4 + 12,  # latency 2, two more, and a burst of twelve while six groups are computed
        "fc0 -> fc1": 33,
        "fc1 -> arg_max": 6,
        "arg_max -> class": 4,
    }


@pytest.mark.parametrize(
    ("foldings", "sentence"),
    [
        ({"fc2": {}}, r"Folded node of network 'net' must be one of .*, not 'fc2' \(did you mean 'fc1'\?\)"),
        ({"zzz": {}}, r"Folded node of network 'net' must be one of .*, not 'zzz'"),
        ({"fc0.width": {}}, r"Folded node of network 'net' must be one of .*, not 'fc0\.width'( \(did .*\))?"),
        ({"fc0": {"pe": 2, "lanes": 1}}, r"Folding of node 'fc0' \(MatrixVector\) must name pe, simd, not 'lanes'"),
        ({"fc0": {"pe": 7}}, r"pe of node 'fc0' must be 1 to 6, the number of its neurons, not 7"),
        ({"fc1": {"simd": 12}}, r"simd of node 'fc1' must be 1 to 6, the number of its synapses, not 12"),
    ],
)
def test_foldings_that_do_not_fit_are_refused(foldings: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=f"^{sentence}$"):
        fold(NETWORK, foldings)


def test_depths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"^FIFO must be one of .*, not 'fc0 -> arg_max' \(did you mean '.*'\?\)$"):
        fold(NETWORK, {}, depths={"fc0 -> arg_max": 3})
    with pytest.raises(InputError, match=r"^Depth of FIFO 'fc0 -> fc1' must be at least 1, not 0$"):
        fold(NETWORK, {}, depths={"fc0 -> fc1": 0})


#: The folding of a node that takes the most steps.
ALONE = {"pe": 1, "simd": 1}


def with_its_fifo(node: Node) -> int:
    fifos = (fifo_cost(stream.width, 2, "ecp5") for stream in node.output_streams)
    return sum(fifos, node_cost(node, "ecp5")).weight("ecp5")


@pytest.mark.parametrize("interval", [1, 2, 3, 7, 24, 71, 72, 10_000])
def test_fold_to_interval_takes_the_cheapest_that_is_fast_enough(interval: int) -> None:
    foldings = fold_to_interval(NETWORK, interval)
    assert fold(NETWORK, foldings).interval <= interval
    for node in NETWORK.nodes:
        chosen = node.folded(foldings.get(node.name, {}))
        for folding in node.foldings():
            other = node.folded(folding)
            if other.schedule().steps <= interval:
                assert with_its_fifo(chosen) <= with_its_fifo(other)


def in_all(network: Network) -> float:
    """Return the weights of nodes and of the FIFOs after them, with two places each."""
    nodes = {node.name for node in network.nodes}
    fifos = (fifo_cost(network.stream(each).width, 2, "ecp5") for each in network.fifos if each.source in nodes)
    return sum((node_cost(node, "ecp5") for node in network.nodes), sum(fifos, Cost())).weight("ecp5")


def without_inert_lanes(network: Network, interval: int) -> dict[str, dict[str, int]]:
    """Return for each node the cheapest folding that divides its shape and takes at most `interval` steps."""
    chosen = {}
    for node in network.nodes:
        ways = [node.folded(folding) for folding in node.foldings()]
        fast = [way for way in ways if way.steps <= interval]
        chosen[node.name] = min(fast, key=lambda way: (with_its_fifo(way), sorted(way.folding.items()))).folding
    return chosen


@pytest.mark.long
@given(dense_networks() | conv_networks() | residual_networks(), st.floats(0, 1))
@settings(
    max_examples=examples(36, many=120), suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
def test_lanes_are_inert_only_where_that_is_cheaper(network: Network, slowness: float) -> None:
    bare = without_converters(network)
    least, most = FoldingChoices(bare, "ecp5").least_interval, max(node.refolded(ALONE).steps for node in bare.nodes)
    interval = int(least * (max(most, least) / least) ** slowness)
    chosen, dividing = fold_to_interval(network, interval), without_inert_lanes(bare, interval)
    for node in bare.nodes:
        if chosen[node.name] not in list(node.foldings()):
            event("inert lanes")
            inert, whole = node.folded(chosen[node.name]), node.folded(dividing[node.name])
            assert inert.steps <= interval
            assert with_its_fifo(inert) < with_its_fifo(whole)
        else:
            assert chosen[node.name] == dividing[node.name]
    folded = fold(network, chosen)
    assert folded.interval <= interval
    assert in_all(folded) <= in_all(fold(network, dividing))


def test_lanes_are_inert_where_no_divisor_is_near() -> None:
    """Five neurons of 31 synapses within 16 steps: 31 is prime, and 11 lanes are enough instead of 31."""
    network = dense_network((62, 31, 5))
    chosen = fold_to_interval(network, 16)
    assert chosen["fc1"] == {"pe": 1, "simd": 11}
    assert fold(network, chosen).interval == 16


def test_a_folding_that_is_given_is_what_its_neighbours_go_by() -> None:
    network = dense_network((62, 31, 31, 5))
    given_lanes = {"fc1": {"pe": 8, "simd": 31}}
    chosen = fold_to_interval(network, 16, fixed=given_lanes)
    assert chosen["fc1"] == given_lanes["fc1"]
    assert fold(network, chosen).interval <= 16
    with pytest.raises(InputError, match=r"^Folded node of network '.*' must be one of .*, not 'fc9'.*$"):
        fold_to_interval(network, 16, fixed={"fc9": {}})


def test_fold_to_interval_is_the_same_from_any_folding() -> None:
    folded = fold(NETWORK, {"fc0": {"pe": 3, "simd": 4}, "binarize": {"pe": 6}})
    assert fold_to_interval(folded, 24) == fold_to_interval(NETWORK, 24)


def test_an_interval_that_no_folding_reaches_is_refused() -> None:
    with pytest.raises(InputError, match=r"^Interval must be at least 1 for node 'binarize', not 0$"):
        fold_to_interval(NETWORK, 0)


@given(st.integers(1, 12), st.integers(1, 12))
def test_without_converters_undoes_them(pe: int, simd: int) -> None:
    pe, simd = int(np.gcd(pe, 6)), int(np.gcd(simd, 12))
    folded = fold(NETWORK, {"fc0": {"pe": pe, "simd": simd}})
    assert [node.name for node in without_converters(folded).nodes] == [node.name for node in NETWORK.nodes]
    assert [fifo.name for fifo in without_converters(folded).fifos] == [fifo.name for fifo in NETWORK.fifos]


def test_wide_beats_of_sums_are_paid_for() -> None:
    """Ten sums at once save a few LUTs in the last matrix, and cost hundreds in the FIFOs after it."""
    network = dense_network((64, 512, 10))
    assert fold_to_interval(network, 40_000, family="ice40")["fc1"]["pe"] < 10
