"""Adder graphs: every neuron's matches, in registered stages, with fewer additions than neurons alone take."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.nodes import AdderGraph, Count, Difference, Sum, adder_graph, popcount_stages


def graph_of(weights: np.ndarray, width: int = 1) -> AdderGraph:
    return adder_graph(weights, popcount_stages(weights.shape[1]) + 2, width)


def random_weights(neurons: int, synapses: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), (neurons, synapses))


def values_of(graph: AdderGraph, bits: np.ndarray) -> list[np.ndarray]:
    """Return each number for each vector of bits, (vectors,)."""
    values: list[np.ndarray] = []
    for number in graph.numbers:
        if isinstance(number, Count):
            values.append(sum((bits[:, lane] ^ inverted for lane, inverted in number.lanes), np.zeros(len(bits), int)))
        elif isinstance(number, Sum):
            lane, inverted = number.carry or (0, False)
            carry = bits[:, lane] ^ inverted if number.carry else 0
            values.append(values[number.left] + values[number.right] + carry)
        else:
            values.append(values[number.total] - 2 * values[number.part])
    return values


def assert_counts_matches(weights: np.ndarray) -> AdderGraph:
    graph, rng = graph_of(weights), np.random.default_rng(0)
    bits = rng.integers(0, 2, (9, weights.shape[1]))
    bits[0], bits[1] = 0, 1
    values = values_of(graph, bits)
    for value, (low, high) in zip(values, graph.ranges, strict=True):
        assert low <= value.min()
        assert value.max() <= high
    for result, row in zip(graph.results, weights, strict=True):
        number = values[result.number]
        ones = result.constant + (-number if result.negative else number)
        np.testing.assert_array_equal(ones, ((2 * bits - 1) == row).sum(axis=1))
    return graph


@st.composite
def matrices(draw: st.DrawFn) -> np.ndarray:
    """Random rows, some of which are repeated or negated."""
    neurons, synapses = draw(st.integers(1, 24)), draw(st.integers(1, 40))
    weights = random_weights(neurons, synapses, draw(st.integers(0, 2**32 - 1)))
    for neuron in range(1, neurons):
        weights[neuron] *= draw(st.sampled_from([1, 1, -1]))
        if draw(st.booleans()):
            weights[neuron] = weights[draw(st.integers(0, neuron - 1))] * draw(st.sampled_from([1, -1]))
    return weights


@given(matrices())
def test_results_are_the_matches_of_any_matrix(weights: np.ndarray) -> None:
    assert_counts_matches(weights)


@given(matrices())
def test_stages_are_those_of_the_description(weights: np.ndarray) -> None:
    graph = graph_of(weights)
    assert len(graph.cuts) == popcount_stages(weights.shape[1]) + 2
    assert list(graph.cuts) == sorted(graph.cuts)
    assert graph.cuts[-1] == graph.last_level
    assert graph.stage(1) == 0
    most = max(end - start for start, end in zip((0, *graph.cuts[:-1]), graph.cuts, strict=True))
    assert most == -(-graph.last_level // len(graph.cuts))


@pytest.mark.parametrize(("neurons", "synapses"), [(1, 1), (1, 9), (2, 1), (3, 2), (7, 163), (40, 17)])
def test_sizes_at_the_ends(neurons: int, synapses: int) -> None:
    assert_counts_matches(random_weights(neurons, synapses))


def test_equal_and_opposite_neurons_take_nothing() -> None:
    alone = graph_of(random_weights(1, 50))
    for sign in (1, -1):
        weights = np.repeat(random_weights(1, 50), 6, axis=0)
        weights[1::2] *= sign
        graph = assert_counts_matches(weights)
        assert graph.luts == alone.luts
        assert [result.negative for result in graph.results] == [False, sign < 0] * 3


def test_a_neuron_that_differs_in_few_synapses_takes_little() -> None:
    weights = np.repeat(random_weights(1, 200), 2, axis=0)
    weights[1, [3, 80, 120]] *= -1
    graph = assert_counts_matches(weights)
    assert graph.luts < graph_of(weights[:1]).luts + 20


@pytest.mark.parametrize(("neurons", "synapses", "share"), [(64, 784, 0.25), (64, 64, 0.5), (10, 64, 0.55)])
def test_luts_are_fewer_than_those_of_neurons_alone(neurons: int, synapses: int, share: float) -> None:
    weights = random_weights(neurons, synapses)
    alone = sum(graph_of(row[None]).luts for row in weights)
    assert graph_of(weights).luts < share * alone


@pytest.mark.parametrize("lanes", [1, 2, 3, 6, 7, 12, 31, 64, 65, 300, 2000])
def test_a_single_neuron_counts_each_lane_once(lanes: int) -> None:
    graph = graph_of(random_weights(1, lanes))
    counted = [lane for number in graph.numbers if isinstance(number, Count) for lane, _ in number.lanes]
    carried = [number.carry[0] for number in graph.numbers if isinstance(number, Sum) and number.carry]
    assert sorted(counted + carried) == list(range(lanes))
    assert not any(isinstance(number, Difference) for number in graph.numbers)
    assert graph.luts <= 1.8 * lanes


def test_registers_are_the_bits_that_cross_the_cuts() -> None:
    graph = graph_of(random_weights(10, 64), 8)
    found = 0
    for cut in graph.cuts:
        if cut == graph.last_level:
            found += 10 * 8
            continue
        spans = zip(graph.levels, graph.last_used, strict=True)
        found += sum(graph.width(index) for index, (level, last) in enumerate(spans) if level <= cut < last)
        found += sum(last > cut for last in graph.last_carries.values())
    assert graph.registers == found
