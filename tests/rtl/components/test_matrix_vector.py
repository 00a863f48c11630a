"""MatrixVector in hardware, compared with the explicit sum."""

from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pytest
from _pytest.mark import ParameterSet
from amaranth import Value
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflow
from dataflow.nodes import popcount_stages
from hwsim.reference.matrix_vector import matrix_vector
from rtl.components._popcount import Popcount
from rtl.components._sum import Sum
from rtl.components.matrix_vector import MatrixVector
from sim_tests.cases import random_weights
from tests.examples import examples
from tests.rtl.harness import lanes_and_size, run, run_node

pytestmark = pytest.mark.sim

OPERANDS = [
    dataflow.Integer(1),
    dataflow.Integer(2),
    dataflow.Integer(1, signed=True),
    dataflow.Integer(3, signed=True),
    dataflow.Integer(8),
]
WEIGHTS = [dataflow.BIPOLAR, *(dataflow.Integer(width, signed=True) for width in (2, 3, 4, 5, 8))]


def slow(size: int) -> ParameterSet:
    return pytest.param(size, marks=pytest.mark.slow)


def ones_of(bits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (frames, neurons), the synapses of each neuron whose bit and weight agree."""
    signs = 2 * bits - 1
    return (signs[:, None, :] == weights[None]).sum(axis=2)


@st.composite
def nodes(draw) -> dataflow.MatrixVector:
    """Small matrices with any folding, thresholds at and beyond both ends included."""
    (pe, neurons), (simd, synapses) = draw(lanes_and_size(4, 3)), draw(lanes_and_size(8, 4))
    signs = st.sampled_from([-1, 1])
    kind = draw(st.sampled_from(["random", "plus", "minus"]))
    if kind == "random":
        row = st.lists(signs, min_size=synapses, max_size=synapses)
        weights = np.array(draw(st.lists(row, min_size=neurons, max_size=neurons)), np.int8)
    else:
        weights = np.full((neurons, synapses), 1 if kind == "plus" else -1, np.int8)
    levels = draw(st.none() | st.lists(st.integers(0, synapses + 1), min_size=neurons, max_size=neurons))
    return dataflow.MatrixVector("fc", weights, None if levels is None else np.array(levels), pe, simd)


#: Device families whose hardware differs: any, and the one that has sums in carry chains.
FAMILIES = st.sampled_from([None, "ecp5"])


@given(nodes(), st.integers(0, 2**32 - 1), FAMILIES)
@settings(max_examples=examples(35))
def test_values_and_timing_of_any_folding(node: dataflow.MatrixVector, seed: int, family: str | None) -> None:
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (4, node.synapses))
    bits[0], bits[1] = 0, 1
    ones = ones_of(bits, node.weights)
    expected = 2 * ones - node.synapses if node.thresholds is None else (ones >= node.thresholds).astype(np.int64)
    gates = {"arriving": rng.random(61) < 0.6, "free": rng.random(67) < 0.6} if seed % 2 else {}
    (actual,) = run_node(node, bits, **gates, family=family)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("family", [None, "ecp5"])
@pytest.mark.parametrize("synapses", [1, 2, 3, 4, 5, 6, 7, 18, 19, 55, 100, 163])
def test_a_threshold_met_exactly_gives_one(synapses: int, family: str | None) -> None:
    rng = np.random.default_rng(synapses)
    weights = rng.choice(np.array([-1, 1], np.int8), (3, synapses))
    bits = rng.integers(0, 2, (1, synapses))
    ones = ones_of(bits, weights)[0]
    node = dataflow.MatrixVector("fc", weights, ones + np.array([-1, 0, 1]).clip(-ones, None), 2, synapses)
    (actual,) = run_node(node, bits, family=family)
    np.testing.assert_array_equal(actual, [[1, 1, 0]])


@pytest.mark.parametrize(
    ("pe", "simd"),
    [
        pytest.param(1, 40, id="registers hold the vector"),
        pytest.param(1, 20, id="a memory holds the vector"),
        pytest.param(2, 20, id="levels in LUTs"),
    ],
)
def test_vectors_held_in_registers_and_in_memory(pe: int, simd: int) -> None:
    rng = np.random.default_rng(pe)
    weights = rng.choice(np.array([-1, 1], np.int8), (4, 400))
    bits = rng.integers(0, 2, (3, 400))
    node = dataflow.MatrixVector("fc", weights, rng.integers(190, 211, 4), pe, simd)
    (actual,) = run_node(node, bits, arriving=rng.random(53) < 0.7, free=rng.random(59) < 0.2)
    np.testing.assert_array_equal(actual, ones_of(bits, weights) >= node.thresholds)


@pytest.mark.parametrize("family", [None, "ecp5"])
@pytest.mark.parametrize("operand", [dataflow.BIPOLAR, *OPERANDS], ids=str)
def test_inert_neurons_give_0_and_inert_synapses_add_nothing(operand: dataflow.Element, family: str | None) -> None:
    rng = np.random.default_rng(9)
    low, high = operand.minimum, operand.maximum
    for sign, value in product((-1, 1), (low, high)):
        weights = np.full((5, 7), sign, np.int8)
        bare = dataflow.MatrixVector("fc", weights, None, 3, 5, operand=operand)
        vectors = np.full((2, 7), value)
        vectors[1] = rng.integers(low, high + 1, 7)
        for level in (None, *bare.counted):
            node = bare if level is None else replace(bare, thresholds=np.full(5, level))
            (actual,) = run_node(node, vectors, family=family)
            np.testing.assert_array_equal(actual, matrix_vector(node, vectors))


@pytest.mark.parametrize("element", WEIGHTS[1:], ids=str)
@pytest.mark.parametrize("operand", [dataflow.BIPOLAR, *OPERANDS, dataflow.Integer(4, signed=True)], ids=str)
def test_every_number_with_every_weight(operand: dataflow.Element, element: dataflow.Integer) -> None:
    """Each neuron has one weight for all synapses, one of them inert, and each vector one number."""
    numbers = np.arange(operand.minimum, operand.maximum + 1)
    if operand.width == 8:
        numbers = numbers[[*range(3), *range(126, 131), *range(253, 256)]]
    least, greatest = element.span
    for weights in (np.arange(least, greatest + 1), np.array([-1, 0, 1])):
        node = dataflow.MatrixVector(
            *("fc", np.repeat(weights[:, None], 3, axis=1), None, min(16, len(weights)), 2),
            operand=operand,
            weight_element=element,
        )
        (actual,) = run_node(node, np.repeat(numbers[:, None], 3, axis=1))
        signs = 2 * numbers - 1 if operand == dataflow.BIPOLAR else numbers
        np.testing.assert_array_equal(actual, 3 * signs[:, None] * weights)


def test_many_neurons_read_their_thresholds_from_a_memory() -> None:
    rng = np.random.default_rng(3)
    weights = rng.choice(np.array([-1, 1], np.int8), (40, 6))
    bits = rng.integers(0, 2, (5, 6))
    node = dataflow.MatrixVector("fc", weights, rng.integers(0, 8, 40), 1, 6)
    (actual,) = run_node(node, bits, free=rng.random(59) < 0.5)
    np.testing.assert_array_equal(actual, ones_of(bits, weights) >= node.thresholds)


@pytest.mark.parametrize("lanes", [1, 2, 6, 7, 18, 19, 54, 55, 162, 163])
def test_popcount_has_the_stages_of_the_description(lanes: int) -> None:
    popcount = Popcount(lanes)
    rng = np.random.default_rng(lanes)
    words = [
        0,
        (1 << lanes) - 1,
        *(int.from_bytes(rng.bytes(-(-lanes // 8)), "little") % (1 << lanes) for _ in range(9)),
    ]
    latency = popcount_stages(lanes)

    def step(ctx, cycle: int) -> bool:
        ctx.set(popcount.i, words[cycle] if cycle < len(words) else 0)
        if latency <= cycle < len(words) + latency:
            assert ctx.get(popcount.o) == words[cycle - latency].bit_count()
        return cycle == len(words) + latency

    run(popcount, step)
    assert popcount.latency == latency


@st.composite
def integer_nodes(draw) -> dataflow.MatrixVector:
    """Small matrices for integers with any folding, thresholds at both ends included."""
    (pe, neurons), (simd, synapses) = draw(lanes_and_size(4, 3)), draw(lanes_and_size(8, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    element = draw(st.sampled_from(WEIGHTS))
    weights = random_weights(rng, (neurons, synapses), element)
    same = draw(st.sampled_from([None, None, -1, 1, *element.span]))
    if same is not None:
        weights[:] = same
    bare = dataflow.MatrixVector(
        *("conv", weights, None, pe, simd),
        positions=draw(st.sampled_from([(), (1, 2), (3, 1)])),
        operand=draw(st.sampled_from(OPERANDS if element == dataflow.BIPOLAR else [dataflow.BIPOLAR, *OPERANDS])),
        weight_element=element,
    )
    low, high = bare.counted
    level = st.one_of(st.sampled_from([low, high, high + 1, 0]), st.integers(low, high + 1))
    levels = draw(st.none() | st.lists(level, min_size=neurons, max_size=neurons))
    return bare if levels is None else replace(bare, thresholds=np.array(levels))


@given(integer_nodes(), st.integers(0, 2**32 - 1), FAMILIES)
@settings(max_examples=examples(45))
def test_values_and_timing_of_integers(node: dataflow.MatrixVector, seed: int, family: str | None) -> None:
    rng = np.random.default_rng(seed)
    low, high = node.operand.minimum, node.operand.maximum
    values = rng.integers(low, high + 1, (4, *node.input_streams[0].shape))
    values[0], values[1] = low, high
    values[2], values[3] = np.where(node.weights[0] > 0, high, low), np.where(node.weights[0] > 0, low, high)
    gates = {"arriving": rng.random(61) < 0.6, "free": rng.random(67) < 0.6} if seed % 2 else {}
    (actual,) = run_node(node, values, **gates, family=family)
    np.testing.assert_array_equal(actual, matrix_vector(node, values))


@st.composite
def placed_nodes(draw) -> dataflow.MatrixVector:
    """Small matrices in groups, with levels of their own at positions of any class."""
    (pe, each), (simd, synapses) = draw(lanes_and_size(3, 3)), draw(lanes_and_size(4, 3))
    groups = draw(st.integers(1, 4))
    neurons = groups * each
    positions = draw(st.sampled_from([(), (5,), (1, 4), (3, 1), (3, 4)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    element = draw(st.sampled_from(WEIGHTS))
    weights = random_weights(rng, (neurons, synapses), element)
    bare = dataflow.MatrixVector(
        *("conv", weights, None, pe, simd),
        positions=positions,
        operand=draw(st.sampled_from([dataflow.BIPOLAR, *OPERANDS])),
        groups=groups,
        weight_element=element,
    )
    classes = draw(st.integers(0, 4))
    if not classes:
        return bare
    kinds = rng.integers(0, classes, prod(positions))
    if draw(st.booleans()):
        low, high = bare.counted
        return replace(bare, thresholds=rng.integers(low, high + 2, (classes, neurons)), position_classes=kinds)
    span = draw(st.sampled_from([0, 1, 9]))
    return replace(bare, offsets=rng.integers(-span, span + 1, (classes, neurons)), position_classes=kinds)


@given(placed_nodes(), st.integers(0, 2**32 - 1), FAMILIES)
@settings(max_examples=examples(45))
def test_values_and_timing_of_groups_and_classes(node: dataflow.MatrixVector, seed: int, family: str | None) -> None:
    check(node, seed, family=family)


def check(node: dataflow.MatrixVector, seed: int, *, frames: int = 3, family: str | None = None) -> None:
    rng = np.random.default_rng(seed)
    low, high = node.operand.minimum, node.operand.maximum
    values = rng.integers(low, high + 1, (frames, *node.input_streams[0].shape))
    values[0] = high
    gates = {"arriving": rng.random(61) < 0.6, "free": rng.random(67) < 0.6} if seed % 2 else {}
    (actual,) = run_node(node, values, **gates, family=family)
    np.testing.assert_array_equal(actual, matrix_vector(node, values))


@pytest.mark.parametrize("operand", [dataflow.BIPOLAR, dataflow.Integer(4), dataflow.Integer(3, signed=True)], ids=str)
@pytest.mark.parametrize("simd", [*range(1, 8), 9, 13, 17, 27, 33, *(slow(simd) for simd in (18, 54, 64, 65, 130))])
def test_sums_in_carry_chains_for_any_number_of_lanes(simd: int, operand: dataflow.Element) -> None:
    rng = np.random.default_rng(simd)
    weights = rng.choice(np.array([-1, 1], np.int8), (3, 2 * simd - (simd > 1)))
    bare = dataflow.MatrixVector("fc", weights, None, 2, simd, operand=operand)
    low, high = bare.counted
    levels = ((low + high) // 2 + np.array([-1, 0, 1])).clip(low, high + 1)
    for node in (bare, replace(bare, thresholds=levels), replace(bare, weights=weights[:, :simd])):
        check(node, simd, family="ecp5")


@pytest.mark.parametrize(("pe", "offsets"), [(1, False), (1, True), (4, True)])
def test_levels_of_many_classes_lie_in_a_memory(pe: int, offsets: bool) -> None:
    rng = np.random.default_rng(pe)
    window = dataflow.SlidingWindow("window", dataflow.BIPOLAR, (6, 7, 2), (3, 3), padding=(1, 1, 1, 1))
    weights = rng.choice(np.array([-1, 1], np.int8), (8, 18))
    bare = dataflow.MatrixVector("conv", weights, None, pe, 18, positions=window.positions)
    node = dataflow.zero_padded(window, bare, None if offsets else rng.integers(-2, 3, 8))
    assert len(dataflow.position_classes(window)) == 9
    check(node, 1, frames=2)


@pytest.mark.parametrize(
    ("element", "family"),
    [
        (dataflow.BIPOLAR, None),
        (dataflow.BIPOLAR, "ecp5"),
        (dataflow.Integer(2, True), None),
        (dataflow.Integer(8, True), None),
    ],
    ids=str,
)
@pytest.mark.parametrize("synapses", [1, 6, 7, 18, 19, 55, 110])
def test_an_integer_threshold_met_exactly_gives_one(
    synapses: int, element: dataflow.Element, family: str | None
) -> None:
    rng = np.random.default_rng(synapses)
    weights = random_weights(rng, (3, synapses), element)
    pixels = rng.integers(1, 255, (1, synapses))
    totals = weights.astype(np.int64) @ pixels[0]
    node = dataflow.MatrixVector(
        *("conv", weights, totals + np.array([-1, 0, 1]), 3, synapses),
        operand=dataflow.Integer(8),
        weight_element=element,
    )
    (actual,) = run_node(node, pixels, family=family)
    np.testing.assert_array_equal(actual, [[1, 1, 0]])


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("pe", "simd"), [(1, 40), (1, 10), (4, 5)])
def test_integers_held_in_registers_and_in_memory(pe: int, simd: int, signed: bool) -> None:
    rng = np.random.default_rng(pe)
    operand = dataflow.Integer(6, signed)
    weights = rng.choice(np.array([-1, 1], np.int8), (4, 200))
    values = rng.integers(operand.minimum, operand.maximum + 1, (3, 2, 2, 200))
    node = dataflow.MatrixVector("conv", weights, None, pe, simd, positions=(2, 2), operand=operand)
    (actual,) = run_node(node, values, arriving=rng.random(53) < 0.7, free=rng.random(59) < 0.2)
    np.testing.assert_array_equal(actual, matrix_vector(node, values))


@pytest.mark.parametrize("element", [dataflow.Integer(1, signed=True), dataflow.Integer(9, signed=True)], ids=str)
@pytest.mark.parametrize("lanes", [1, 2, 6, 7, 18, 19, 54, 55])
def test_sum_has_the_stages_of_the_description(lanes: int, element: dataflow.Integer) -> None:
    total = Sum(element, lanes)
    stream = dataflow.Stream(element, (lanes,), lanes)
    rng = np.random.default_rng(lanes)
    vectors = rng.integers(element.minimum, element.maximum + 1, (11, lanes))
    vectors[0], vectors[1] = element.minimum, element.maximum
    words = dataflow.words_of(vectors, stream)
    latency = popcount_stages(lanes)

    def step(ctx, cycle: int) -> bool:
        ctx.set(Value.cast(total.i), words[cycle] if cycle < len(words) else 0)
        if latency <= cycle < len(words) + latency:
            assert ctx.get(total.o) == vectors[cycle - latency].sum()
        return cycle == len(words) + latency

    run(total, step)
    assert total.latency == latency


def test_node_of_another_kind_is_refused() -> None:
    node = dataflow.Fork("copy", dataflow.BIPOLAR, (3,))
    with pytest.raises(TypeError, match=r"^Node of component MatrixVector must be a dataflow\.MatrixVector, not Fork$"):
        MatrixVector(node)
