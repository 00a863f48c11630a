"""Networks with shortcuts: values, cycles, depths that resolve deadlocks, and the smallest that keep the interval."""

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

import hwsim
from dataflow import BIPOLAR, Add, Concat, Element, InputError, Integer, Network, fold, numbers_of
from dataflow.folding import default_depths
from hwsim import packed, random_stalls, reference, simulate
from hwsim.cycle.deadlock import remedy_of
from hwsim.cycle.slow import step_slowly
from hwsim.cycle.trial import Trial
from hwsim.fifo_sizing import shrink_depths
from hwsim.packed._tensors import tensor_of
from sim_tests.cases import random_frames
from sim_tests.residual_cases import RESIDUAL_CASES, Block, ResidualCase, residual_network
from sim_tests.standstill import deadlock_of
from sim_tests.strategies import residual_networks
from tests.examples import examples

ELEMENTS = st.one_of(st.just(BIPOLAR), st.builds(Integer, st.integers(1, 6), st.booleans()))


@st.composite
def additions(draw: st.DrawFn) -> Add:
    operands = tuple(draw(st.lists(ELEMENTS, min_size=2, max_size=8)))
    result = draw(st.one_of(st.none(), st.builds(Integer, st.integers(1, 9), st.booleans())))
    factors = draw(st.one_of(st.just(()), st.tuples(*[st.integers(1, 40)] * len(operands))))
    return Add("add", operands, draw(st.sampled_from([(1,), (5,), (2, 1, 3)])), result, factors=factors)


def numbers(element: Element, values: np.ndarray) -> np.ndarray:
    return 2 * values - 1 if element == BIPOLAR else values


@settings(deadline=None)
@given(additions(), st.integers(0, 99))
def test_sums(node: Add, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = [rng.integers(op.minimum, op.maximum + 1, (4, *node.shape)) for op in node.operands]
    for which, values in enumerate(inputs):
        values[0], values[1] = node.operands[which].minimum, node.operands[which].maximum
    exact = sum(factor * numbers(*each) for factor, *each in zip(node.all_factors, node.operands, inputs, strict=True))
    assert isinstance(exact, np.ndarray)
    assert (exact[0].ravel()[0], exact[1].ravel()[0]) == node.span
    low, high = numbers_of(node.element)
    assert node.saturates == bool(((exact < low) | (exact > high)).any())
    (y,) = reference.apply(node, *inputs)
    np.testing.assert_array_equal(y, np.clip(exact, low, high))
    tensors = [hwsim.packed.Tensor(values, node.shape, False) for values in inputs]
    (fast,) = packed.apply(node, *tensors)
    np.testing.assert_array_equal(fast.values, y)


@st.composite
def stacks(draw: st.DrawFn) -> Concat:
    element = st.just(BIPOLAR) if draw(st.booleans()) else st.builds(Integer, st.integers(1, 6), st.booleans())
    operands = tuple(draw(st.lists(element, min_size=2, max_size=5)))
    channels = tuple(draw(st.integers(1, 70)) for _ in operands)
    return Concat("stack", operands, channels, draw(st.sampled_from([(), (2, 3)])))


@settings(deadline=None)
@given(stacks(), st.integers(0, 99))
def test_stacks(node: Concat, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = [
        rng.integers(stream.element.minimum, stream.element.maximum + 1, (3, *stream.shape))
        for stream in node.input_streams
    ]
    (y,) = reference.apply(node, *inputs)
    np.testing.assert_array_equal(y, np.concatenate(inputs, axis=-1))
    (fast,) = packed.apply(node, *map(tensor_of, inputs, node.input_streams))
    np.testing.assert_array_equal(fast.values, y)
    assert y.min() >= node.element.minimum
    assert y.max() <= node.element.maximum


@pytest.mark.parametrize("case", RESIDUAL_CASES, ids=str)
def test_packed_equals_reference(case: ResidualCase) -> None:
    network = case.network()
    frames = random_frames(network, 9)
    values, fast = reference.evaluate(network, frames), packed.evaluate(network, frames)
    assert values.keys() == fast.keys() == {fifo.name for fifo in network.fifos}
    for name, each in values.items():
        np.testing.assert_array_equal(each, fast[name], err_msg=name)


@pytest.mark.long
@settings(max_examples=examples(30))
@given(residual_networks(), st.integers(1, 4), st.one_of(st.none(), st.integers(0, 999)))
def test_solved_equals_stepped(network: Network, frames: int, seed: int | None) -> None:
    assume(network.interval <= 600)
    stalls = None if seed is None else random_stalls(network, seed)
    deadlock = deadlock_of(network)
    if deadlock is not None:
        event("deadlock")
        with pytest.raises(InputError, match=r"^Network '.*' must be able to move, not deadlock in cycle \d+$"):
            step_slowly(network, frames, stalls=stalls)
        depths = remedy_of(network, deadlock)
        network = network.with_depths(depths)
        for name, depth in depths.items():
            assert deadlock_of(network.with_depths({name: depth - 1})) is not None
    run, slow = simulate(network, frames, stalls=stalls, record=True), step_slowly(network, frames, stalls=stalls)
    for fifo in network.fifos:
        np.testing.assert_array_equal(run.writes[fifo.name], slow.writes[fifo.name])
        np.testing.assert_array_equal(run.reads[fifo.name], slow.reads[fifo.name])
    assert (run.total, run.cycles) == (slow.total, slow.cycles)
    assert {node.name: (node.busy, node.starved, node.blocked) for node in run.nodes} == slow.activity


@pytest.mark.long
@settings(max_examples=examples(40))
@given(residual_networks())
def test_default_depths_free_and_keep_the_interval(network: Network) -> None:
    depths = default_depths(network)
    assert deadlock_of(network.with_depths(depths)) is None
    assert Trial(network).reaches(np.array([depths[fifo.name] for fifo in network.fifos]), network.interval)


@pytest.mark.long
@settings(max_examples=examples(12))
@given(residual_networks())
def test_sized_depths_are_minimal(network: Network) -> None:
    assume(network.interval <= 600)
    depths = shrink_depths(network)
    trial, names = Trial(network), [fifo.name for fifo in network.fifos]
    chosen = np.array([depths[name] for name in names])
    assert trial.reaches(chosen, network.interval)
    for row in np.flatnonzero(chosen > 1):
        lowered = chosen.copy()
        lowered[row] -= 1
        assert not trial.reaches(lowered, network.interval), names[row]


def test_the_shortcut_of_a_convolution_holds_what_the_branch_does_not() -> None:
    network = fold(residual_network((8, 8, 4), (Block(2),)), {})
    depths = shrink_depths(network)
    # The second convolution has its first sum when two rows and three pixels are there, of which the first needs as
    # many again: all that time the shortcut holds the bits.
    assert depths["fork0.1 -> add0.1"] >= 4 * (2 * 8 + 3)
    assert depths["fork0.1 -> add0.1"] < default_depths(network)["fork0.1 -> add0.1"]


def test_parts_that_move_by_fits_and_starts_are_seen_to_be_faster() -> None:
    # One beat per frame: with five places a shortcut lets five frames pass at once and then none for twelve cycles.
    network = fold(residual_network((1,), (Block(2, sign=False), Block(sign=False), Block()), bits=False), {})
    depths = {fifo.name: 40 for fifo in network.fifos} | {"fork0.1 -> add0.1": 5}
    assert network.interval == 4
    assert Trial(network).reaches(np.array([depths[fifo.name] for fifo in network.fifos]), 4)
    found = shrink_depths(network.with_depths({"fc -> arg_max": 1}))
    assert (found["fork0.1 -> add0.1"], found["fork1.1 -> add1.1"]) == (4, 3)


@pytest.mark.long
@pytest.mark.parametrize("sized", [pytest.param(False, marks=pytest.mark.slow), True])
def test_many_frames_through_twenty_blocks(sized: bool) -> None:
    network = fold(residual_network((8,), (Block(2), Block(sign=False)) * 10), {"fc": {"simd": 2}})
    if sized:
        network = network.with_depths(shrink_depths(network))
    few, slow = simulate(network, 10), step_slowly(network, 10)
    assert (few.total, few.cycles) == (slow.total, slow.cycles)
    assert {node.name: (node.busy, node.starved, node.blocked) for node in few.nodes} == slow.activity
    assert {fifo.name: (fifo.max_occupancy, fifo.max_taken) for fifo in few.fifos} == slow.highest
    # If beats are recorded, every frame is stepped; otherwise frames are skipped.
    many, stepped = simulate(network, 10_000), simulate(network, 10_000, record=True)
    assert many.simulated_frames < 1000
    assert (many.total, many.cycles, many.nodes, many.fifos) == (
        *(stepped.total, stepped.cycles, stepped.nodes, stepped.fifos),
    )
    for fifo in network.fifos:
        np.testing.assert_array_equal(
            stepped.writes[fifo.name][: 10 * network.stream(fifo).beats], slow.writes[fifo.name]
        )
    assert many.interval == network.interval
